#include "worker/app/worker_config.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <unistd.h>

#include "net/join_token.h"
#include "net/ops_server.h"
#include "net/tls_context.h"
#include "proto/message_codec.h"
#include "worker/app/worker_metrics.h"
#include "worker/core/batch_sizes.h"
#include "worker/graph/formats.h"

namespace imgrec::worker {
namespace {

constexpr unsigned kMaxStreams = 256;
constexpr unsigned kMaxCredit = 4096;
// Enough for a second of round trip at 60 images/s; the manager uses what it needs of it.
constexpr unsigned kDefaultCredit = 64;

Status require(bool good, std::string sentence) {
  return good ? Status() : Status(StatusCode::kInvalidArgument, std::move(sentence));
}

Status check_managers(const WorkerConfig& c) {
  std::set<std::string> seen;
  for (const std::string& text : c.managers) {
    const auto endpoint = parse_manager_endpoint(text);
    if (!endpoint.ok()) return endpoint.status();
    if (!seen.insert(endpoint->text()).second) {
      return require(false, "manager " + endpoint->text() + " is given twice");
    }
  }
  return require(!seen.empty(), "give at least one manager, as HOST:PORT");
}

// What keeps all streams at work, batches and all, even where that is more than usual.
unsigned default_credit(const WorkerConfig& c) {
  const unsigned batch = c.batch == 0 ? kMeasuredBatch : c.batch;
  return std::clamp(batch * (c.streams + 1), kDefaultCredit, kMaxCredit);
}

Status check_credit(const WorkerConfig& c) {
  if (c.credit == 0) return {};
  return require(c.credit > c.streams && c.credit <= kMaxCredit,
                 "credit must be 0 (64, or what keeps the streams busy) or from streams + 1 = " +
                     std::to_string(c.streams + 1) + " to " + std::to_string(kMaxCredit));
}

std::string default_name() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0 || host[0] == '\0') {
    return "worker-" + std::to_string(::getpid());
  }
  return std::string(host.data()) + "-" + std::to_string(::getpid());
}

void add_security_options(OptionSet& set, WorkerConfig& c) {
  set.add({"worker.token-file", &c.token_file,
           "file with the join token; only managers that have it too are worked for", "", "FILE"});
  set.add({.key = "worker.token",
           .target = &c.token,
           .help = "the join token itself",
           .flag = "",
           .value = "TOKEN",
           .check = [&c] { return net::load_join_token(c.token_file, c.token).status(); },
           .secret = true});
  set.add({"worker.tls", &c.tls, "speak TLS with the managers", "", ""});
  set.add({"worker.tls-ca", &c.tls_ca,
           "authorities (PEM) of the managers' certificates; empty: the system's", "", "FILE"});
  set.add({"worker.tls-cert", &c.tls_cert, "certificate (PEM) shown to managers that ask for one",
           "", "FILE"});
  set.add({"worker.tls-key", &c.tls_key, "its key (PEM)", "", "FILE", [&c] {
             return require(c.tls_cert.empty() == c.tls_key.empty(),
                            "worker.tls-cert and worker.tls-key go together");
           }});
  set.add({"worker.tls-server-name", &c.tls_server_name,
           "name in the managers' certificates; empty: the host as given", "", "NAME", [&c] {
             const bool any =
                 !(c.tls_ca.empty() && c.tls_cert.empty() && c.tls_server_name.empty());
             return require(c.tls || !any,
                            "worker.tls-ca, worker.tls-cert and worker.tls-server-name mean "
                            "nothing without worker.tls: set that to true");
           }});
}

Status load_security(const WorkerConfig& config, ManagerLinkOptions& link) {
  auto token = net::load_join_token(config.token_file, config.token);
  if (!token.ok()) return token.status();
  link.session.join_token = *std::move(token);
  if (!config.tls) return {};
  auto tls = net::TlsContext::load(net::TlsContext::Role::kWorker,
                                   {config.tls_cert, config.tls_key, config.tls_ca});
  if (!tls.ok()) return tls.status();
  link.tls = *std::move(tls);
  link.tls_server_name = config.tls_server_name;
  return {};
}

}  // namespace

void add_worker_options(OptionSet& set, WorkerConfig& c) {
  set.describe(
      "",
      "Signals:\n"
      "  HUP         look whether there is another model in place of the one that serves; load\n"
      "              it, warm it up beside that one, and change to it without losing an image\n"
      "  TERM, INT   finish what has begun, hand back the rest, leave; twice: end at once\n");
  set.add({"worker.managers", &c.managers,
           "managers to work for; a name that has several addresses is a manager at each",
           "manager", "HOST:PORT[,HOST:PORT...]", [&c] { return check_managers(c); }});
  set.add({"worker.lookup", &c.lookup,
           "look the managers' names up this often: who appears is joined, who is gone let go", "",
           "TIME", [&c] {
             return require(
                 c.lookup >= std::chrono::milliseconds(100) && c.lookup <= std::chrono::hours(1),
                 "worker.lookup must be 100ms to 1h");
           }});
  set.add(
      {"worker.name", &c.name, "name shown to people; empty: HOSTNAME-PID", "name", "NAME", [&c] {
         return require(c.name.size() <= 128, "the name must have at most 128 characters");
       }});
  set.add({"worker.streams", &c.streams, "threads that compute images", "streams", "N", [&c] {
             return require(c.streams >= 1 && c.streams <= kMaxStreams,
                            "streams must be 1 to " + std::to_string(kMaxStreams));
           }});
  set.add({"worker.congestion-control", &c.congestion_control,
           "TCP's; auto: by round trip and loss; empty: the kernel's own", "congestion-control",
           "NAME"});
  set.add({"worker.credit", &c.credit,
           "images held at once, per manager, at most; 0: 64, or what keeps all streams busy",
           "credit", "N", [&c] { return check_credit(c); }});
  set.add({"worker.max-held", &c.max_held,
           "bytes of images held at once, all managers together, each an equal share", "", "SIZE",
           [&c] {
             return require(c.max_held.bytes >= (1u << 20),
                            "worker.max-held must be at least 1MiB");
           }});
  set.add({"worker.fail-probability", &c.fail_probability,
           "at each image, say so and leave with this probability; for experiments",
           "fail-probability", "P", [&c] {
             return require(c.fail_probability >= 0 && c.fail_probability <= 1,
                            "fail-probability must be 0 to 1");
           }});
  set.add({"worker.cached-answers", &c.cached_answers,
           "recent answers kept for images that are sent again", "", "N"});
  set.add({"worker.drain", &c.drain, "on SIGTERM, finish begun images for at most this long", "",
           "TIME"});
  add_security_options(set, c);
  set.add(net::ops_listen_option(c.ops_listen));
  set.add({"log.level", &c.log_level, "trace, debug, info, warn or error", "log-level", "LEVEL"});
}

void add_model_options(OptionSet& set, WorkerConfig& c) {
  set.add({"worker.model", &c.model_dir,
           "directory with model.yaml, model.pt and labels.txt; empty: models/googlenet, else the "
           "one installed with the program",
           "model", "DIR"});
  set.add({"worker.max-pixels", &c.max_pixels, "larger images are refused before decoding",
           "max-pixels", "N",
           [&c] { return require(c.max_pixels >= 1, "max-pixels must be 1 or more"); }});
  set.add(
      {"worker.precision", &c.precision,
       "fp32; bf16, faster where the CPU has AVX512_BF16; int8, fastest where it has AVX512_VNNI "
       "and the model was calibrated (imgrec-model calibrate)",
       "precision", "P", [&c] {
         return require(parse_precision(c.precision).has_value(),
                        "precision must be fp32, bf16 or int8");
       }});
  set.add({"worker.batch", &c.batch,
           "images that a stream computes together at most, where as many wait; 0: two or four, if "
           "measured at the start to be faster than one after the other",
           "batch", "N", [&c] {
             return require(c.batch <= proto::kMaxBatch,
                            "batch must be 0 to " + std::to_string(proto::kMaxBatch));
           }});
}

Result<WorkerRunnerOptions> runner_options(const WorkerConfig& config) {
  WorkerRunnerOptions options;
  if (Status status = load_security(config, options.link); !status.ok()) return status;
  for (const std::string& text : config.managers) {
    options.managers.push_back(*parse_manager_endpoint(text));
  }
  options.link.tuning.congestion_control = config.congestion_control;
  options.directory.interval = config.lookup;
  options.name = config.name.empty() ? default_name() : config.name;
  options.streams = config.streams;
  options.credit = config.credit == 0 ? default_credit(config) : config.credit;
  options.max_held_bytes = config.max_held.bytes;
  options.fail_probability = config.fail_probability;
  options.cached_answers = config.cached_answers;
  options.drain_timeout = config.drain;
  options.handle_signals = true;
  options.ops_listen = config.ops_listen;
  options.metrics_text = worker_metrics_text;
  return options;
}

}  // namespace imgrec::worker
