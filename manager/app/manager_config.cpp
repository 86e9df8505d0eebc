#include "manager/app/manager_config.h"

#include <algorithm>

#include "manager/app/access.h"
#include "manager/store/sync_policy.h"
#include "net/join_token.h"
#include "net/ops_server.h"
#include "proto/message_codec.h"

namespace imgrec::manager {
namespace {

Status require(bool good, const char* sentence) {
  return good ? Status() : Status(StatusCode::kInvalidArgument, sentence);
}

void add_http(OptionSet& set, ManagerConfig& c) {
  set.add({"http.listen", &c.http_listen, "address of the website and the API", "listen", "ADDR"});
  set.add({"http.port", &c.http_port, "its port; 0: the system chooses", "port", "PORT"});
  set.add({"http.threads", &c.http_threads, "threads that parse HTTP", "", "N", [&c] {
             return require(c.http_threads >= 1 && c.http_threads <= 64,
                            "http.threads must be 1 to 64");
           }});
  set.add({"http.max-image", &c.max_image, "largest photo taken", "", "SIZE"});
  set.add({"http.max-request", &c.max_request, "largest request taken, all its photos together", "",
           "SIZE", [&c] {
             return require(c.max_request.bytes >= c.max_image.bytes,
                            "http.max-request must not be smaller than http.max-image");
           }});
  set.add({"http.max-buffered", &c.max_buffered,
           "uploads held in memory, all connections together; over it they get 503", "", "SIZE",
           [&c] {
             return require(c.max_buffered.bytes >= 2 * c.max_request.bytes,
                            "http.max-buffered must be at least twice http.max-request");
           }});
  set.add({"http.max-connections", &c.max_connections, "connections at once", "", "N", [&c] {
             return require(c.max_connections >= 1, "http.max-connections must be 1 or more");
           }});
  set.add({"http.max-connections-per-address", &c.max_connections_per_address,
           "of those and of WebSockets, from one address; 0 (behind a proxy): no limit", "", "N"});
  set.add({"http.allowed-hosts", &c.allowed_hosts,
           "names that the site answers to, besides addresses and localhost; * is every name; "
           "none: every name, but on a loopback address only localhost",
           "", "NAME[,NAME...]"});
  set.add({"http.idle-timeout", &c.http_idle, "how long a request may take to begin, and to go on",
           "", "TIME", [&c] {
             return require(c.http_idle >= std::chrono::seconds(1),
                            "http.idle-timeout must be at least 1s");
           }});
  set.add({"http.max-pixels", &c.max_pixels, "largest photo taken, in pixels", "", "N"});
  set.add(
      {"http.frontend", &c.frontend_dir, "directory of the website's files", "frontend", "DIR"});
  set.add(
      {"http.chart-js", &c.chart_js,
       "Chart.js 3, which draws the Cluster page's charts (Debian's libjs-chart.js); where it is "
       "missing the page has its tables only",
       "", "FILE"});
}

void add_access(OptionSet& set, ManagerConfig& c) {
  set.add({"http.token-file", &c.http_token_file,
           "file with the access token; only who sends it may use the API", "", "FILE"});
  set.add(
      {.key = "http.token",
       .target = &c.http_token,
       .help = "the access token itself",
       .flag = "",
       .value = "TOKEN",
       .check =
           [&c] {
             return net::load_join_token(c.http_token_file, c.http_token, "access token").status();
           },
       .secret = true});
  set.add({"http.cors-origins", &c.cors_origins,
           "origins (https://gallery.example) whose pages may use the API, or *", "",
           "ORIGIN[,ORIGIN...]", [&c] {
             return require(
                 std::all_of(c.cors_origins.begin(), c.cors_origins.end(), is_origin),
                 "http.cors-origins takes what browsers send as Origin: https://gallery.example, "
                 "without a path, or *");
           }});
  set.add({"http.rate-limit", &c.rate_limit,
           "requests a second that one address may make; 0 (behind a proxy): any number", "", "N"});
  set.add({"http.rate-burst", &c.rate_burst, "how many of them at once", "", "N",
           [&c] { return require(c.rate_burst >= 1, "http.rate-burst must be 1 or more"); }});
}

void add_workers(OptionSet& set, ManagerConfig& c) {
  set.add({"workers.listen", &c.worker_listen, "address that workers connect to", "worker-listen",
           "ADDR"});
  set.add(
      {"workers.port", &c.worker_port, "its port; 0: the system chooses", "worker-port", "PORT"});
  set.add({"workers.max", &c.max_workers, "workers at once", "", "N"});
  set.add({"workers.congestion-control", &c.congestion_control,
           "TCP's; auto: by round trip and loss; empty: the kernel's own", "congestion-control",
           "NAME"});
  set.add({"workers.lanes", &c.lanes,
           "more connections to a worker where packets are lost and there is no BBR; 0: none",
           "lanes", "N", [&c] {
             static_assert(proto::kMaxLanes == 16);
             return require(c.lanes <= proto::kMaxLanes, "workers.lanes must be 0 to 16");
           }});
  set.add({"workers.heartbeat", &c.heartbeat, "a PING at least this often", "", "TIME", [&c] {
             return require(c.heartbeat >= std::chrono::milliseconds(50),
                            "workers.heartbeat must be at least 50ms");
           }});
  set.add({"workers.dead-after", &c.dead_after, "silent for this long: gone", "", "TIME", [&c] {
             return require(c.dead_after >= 2 * c.heartbeat,
                            "workers.dead-after must be at least twice workers.heartbeat");
           }});
}

// One photo of the largest size must pass through an empty queue.
Status check_room(const ManagerConfig& c) {
  return require(c.max_open_bytes.bytes / 100 * c.session_share >= c.max_image.bytes,
                 "scheduler.session-share of scheduler.max-open-bytes must not be smaller than "
                 "http.max-image");
}

void add_worker_security(OptionSet& set, ManagerConfig& c) {
  set.add({"workers.token-file", &c.worker_token_file,
           "file with the join token; only workers that have it too may join", "", "FILE"});
  set.add(
      {.key = "workers.token",
       .target = &c.worker_token,
       .help = "the join token itself",
       .flag = "",
       .value = "TOKEN",
       .check = [&c] { return net::load_join_token(c.worker_token_file, c.worker_token).status(); },
       .secret = true});
  set.add({"workers.tls-cert", &c.worker_tls_cert,
           "certificate (PEM) of the worker port, which then speaks TLS only", "", "FILE"});
  set.add({"workers.tls-key", &c.worker_tls_key, "its key (PEM)", "", "FILE", [&c] {
             return require(c.worker_tls_cert.empty() == c.worker_tls_key.empty(),
                            "workers.tls-cert and workers.tls-key go together");
           }});
  set.add({"workers.tls-client-ca", &c.worker_tls_client_ca,
           "authorities (PEM); workers must show a certificate of theirs", "", "FILE", [&c] {
             return require(c.worker_tls_client_ca.empty() || !c.worker_tls_cert.empty(),
                            "workers.tls-client-ca needs workers.tls-cert and workers.tls-key");
           }});
}

void add_scheduler(OptionSet& set, ManagerConfig& c) {
  set.add({"scheduler.first-timeout", &c.first_timeout,
           "resend an attempt after this long while its worker is not measured yet", "", "TIME"});
  set.add({"scheduler.min-timeout", &c.min_timeout, "never resend sooner", "", "TIME"});
  set.add({"scheduler.max-timeout", &c.max_timeout, "never resend later", "", "TIME", [&c] {
             return require(c.min_timeout <= c.first_timeout && c.first_timeout <= c.max_timeout,
                            "scheduler: min-timeout <= first-timeout <= max-timeout must hold");
           }});
  set.add({"scheduler.quarantine-after", &c.quarantine_after,
           "an image fails after killing or timing out this many attempts", "", "N", [&c] {
             return require(c.quarantine_after >= 1,
                            "scheduler.quarantine-after must be 1 or more");
           }});
  set.add({"scheduler.min-window", &c.min_window,
           "send each worker at least so many images at once, within its credit; 0: a batch for "
           "each of its streams, and one to come next",
           "", "N"});
  set.add({"scheduler.hedge-percent", &c.hedge_percent,
           "second copies of slow images for idle workers, in per cent of all, and two; 0: none",
           "", "N", [&c] {
             return require(c.hedge_percent <= 100, "scheduler.hedge-percent must be 0 to 100");
           }});
  set.add({"scheduler.max-open", &c.max_open_images,
           "accepted and unsettled images; over it uploads get 429", "", "N", [&c] {
             return require(c.max_open_images >= 1, "scheduler.max-open must be 1 or more");
           }});
  set.add({"scheduler.max-open-bytes", &c.max_open_bytes, "bytes of those; over it uploads get 429",
           "", "SIZE", [&c] { return check_room(c); }});
  set.add({"scheduler.session-share", &c.session_share,
           "percent of the room that other sessions leave, for one session to fill", "", "N", [&c] {
             return require(c.session_share >= 1 && c.session_share <= 100,
                            "scheduler.session-share must be 1 to 100");
           }});
}

void add_storage(OptionSet& set, ManagerConfig& c) {
  set.add({"storage.dir", &c.data_dir, "directory of images and results, made if missing", "data",
           "DIR"});
  set.add({"storage.cache", &c.cache, "bytes of open images kept in memory", "", "SIZE"});
  set.add({"storage.sync", &c.sync,
           "always, interval or none: what a power loss costs is nothing, the last moments, or the "
           "last half minute and more; kill -9 costs nothing with any (docs/durability.md)",
           "", "HOW", [&c] {
             return require(parse_sync_policy(c.sync).has_value(),
                            "storage.sync must be always, interval or none");
           }});
  set.add({"storage.sync-interval", &c.sync_interval, "with storage.sync=interval, sync this often",
           "", "TIME", [&c] {
             return require(c.sync_interval >= std::chrono::milliseconds(10),
                            "storage.sync-interval must be at least 10ms");
           }});
  set.add({"storage.max-unstored", &c.max_unstored,
           "bytes of uploads that wait for the disk, in memory; over it uploads get 429", "",
           "SIZE", [&c] {
             return require(c.max_unstored.bytes >= c.max_request.bytes,
                            "storage.max-unstored must not be smaller than http.max-request");
           }});
  set.add({"storage.keep-for", &c.keep_for,
           "remove an image this long after it settled (720h: 30 days); 0s: never", "", "TIME"});
  set.add({"storage.keep-bytes", &c.keep_bytes,
           "when photos take more than this, remove those settled longest ago; 0: never", "",
           "SIZE"});
}

}  // namespace

OptionSet manager_options(ManagerConfig& c) {
  OptionSet set("imgrec-manager",
                "Serves the website and the API, keeps images durable, assigns them to workers.");
  add_http(set, c);
  add_access(set, c);
  add_workers(set, c);
  add_worker_security(set, c);
  add_scheduler(set, c);
  add_storage(set, c);
  set.add(
      {"shutdown.drain", &c.drain, "on SIGTERM, wait this long for images in flight", "", "TIME"});
  set.add(net::ops_listen_option(c.ops_listen));
  set.add({"log.level", &c.log_level, "trace, debug, info, warn or error", "log-level", "LEVEL"});
  return set;
}

}  // namespace imgrec::manager
