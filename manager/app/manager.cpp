#include "manager/app/manager.h"

#include <filesystem>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "common/logging.h"
#include "manager/app/admission_gate.h"
#include "manager/app/api.h"
#include "manager/app/control.h"
#include "manager/app/intake.h"
#include "manager/app/live_feed.h"
#include "manager/app/metrics.h"
#include "manager/app/waiters.h"
#include "manager/http/http_server.h"
#include "manager/http/static_files.h"
#include "manager/store/storage.h"
#include "net/join_token.h"
#include "net/ops_server.h"
#include "net/tls_context.h"

namespace imgrec::manager {
namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

constexpr std::chrono::seconds kHttpGrace(2);

// The frontend beside an installed binary, then that of the source tree the binary was built in.
fs::path find_frontend(const std::string& configured) {
  if (!configured.empty()) return configured;
  std::error_code ec;
  const fs::path here = fs::read_symlink("/proc/self/exe", ec).parent_path();
  for (const fs::path& candidate :
       {here / "../share/imgrec/frontend", here / "../../../frontend", fs::path("frontend")}) {
    if (fs::exists(candidate / "index.html", ec)) return fs::weakly_canonical(candidate, ec);
  }
  return "frontend";
}

// The website, and the library that draws its charts, where the system has it.
Result<StaticFiles> load_website(const ManagerConfig& config) {
  auto files = StaticFiles::load(find_frontend(config.frontend_dir));
  if (!files.ok() || config.chart_js.empty()) return files;
  if (const Status status = files->add("/vendor/chart.js", config.chart_js); !status.ok()) {
    spdlog::warn(
        "charts_unavailable error={} hint=\"install Debian's libjs-chart.js, or set http.chart-js; "
        "the Cluster page shows its tables meanwhile\"",
        log_text(status.message()));
  }
  return files;
}

bool is_loopback(const std::string& listen) {
  boost::system::error_code not_an_address;
  const auto address = asio::ip::make_address(listen, not_an_address);
  return !not_an_address && address.is_loopback();
}

HttpServerOptions http_options(const ManagerConfig& config) {
  HttpServerOptions options;
  options.listen_address = config.http_listen;
  options.port = config.http_port;
  options.threads = config.http_threads;
  options.max_body_bytes = config.max_request.bytes;
  options.idle_timeout = std::chrono::ceil<std::chrono::seconds>(config.http_idle);
  options.max_connections = config.max_connections;
  options.max_connections_per_address = config.max_connections_per_address;
  options.max_buffered_bytes = config.max_buffered.bytes;
  options.allowed_hosts = config.allowed_hosts;
  // Who serves this machine only means its own browsers, whatever name a page had resolve to it.
  if (options.allowed_hosts.empty() && is_loopback(config.http_listen)) {
    options.allowed_hosts = {"localhost"};
  }
  return options;
}

// What the two ports ask of who connects to them.
struct Security {
  std::shared_ptr<const proto::JoinToken> access_token;  // of the API
  std::shared_ptr<const proto::JoinToken> join_token;    // of the worker port
  std::shared_ptr<const net::TlsContext> tls;            // the same
};

Result<Security> load_security(const ManagerConfig& config) {
  Security security;
  auto access = net::load_join_token(config.http_token_file, config.http_token, "access token");
  if (!access.ok()) return access.status();
  security.access_token = *std::move(access);
  auto token = net::load_join_token(config.worker_token_file, config.worker_token);
  if (!token.ok()) return token.status();
  security.join_token = *std::move(token);
  if (!config.worker_tls_cert.empty()) {
    auto tls = net::TlsContext::load(
        net::TlsContext::Role::kManager,
        {config.worker_tls_cert, config.worker_tls_key, config.worker_tls_client_ca});
    if (!tls.ok()) return tls.status();
    security.tls = *std::move(tls);
  }
  if (!security.join_token && config.worker_tls_client_ca.empty() &&
      !is_loopback(config.worker_listen)) {
    spdlog::warn(
        "worker_port_unguarded listen={} hint=\"whoever reaches it may join as a worker and "
        "see the photos; set workers.token-file\"",
        config.worker_listen);
  }
  return security;
}

ControlOptions control_options(const ManagerConfig& config, const std::string& manager_id,
                               const Security& security) {
  ControlOptions options;
  options.workers.session.join_token = security.join_token;
  options.workers.tls = security.tls;
  options.workers.listen_address = config.worker_listen;
  options.workers.port = config.worker_port;
  options.core.max_workers = config.max_workers;
  options.workers.manager_id = manager_id;
  options.workers.tuning.congestion_control = config.congestion_control;
  options.workers.lanes = config.lanes;
  options.workers.session.heartbeat = config.heartbeat;
  options.workers.session.dead_after = config.dead_after;
  options.core.scheduler.initial_timeout = config.first_timeout;
  options.core.scheduler.min_timeout = config.min_timeout;
  options.core.scheduler.max_timeout = config.max_timeout;
  options.core.scheduler.quarantine_after = config.quarantine_after;
  options.core.scheduler.min_window = config.min_window;
  options.core.scheduler.hedge_percent = config.hedge_percent;
  return options;
}

ApiOptions api_options(const ManagerConfig& config, const Security& security,
                       const std::string& secret) {
  ApiOptions options;
  options.images.upload.max_image_bytes = config.max_image.bytes;
  options.images.upload.max_pixels = config.max_pixels;
  options.token = security.access_token;
  options.cors_origins = config.cors_origins;
  options.rate_limit = config.rate_limit;
  options.rate_burst = config.rate_burst;
  options.secret = secret;
  options.public_metrics = config.ops_listen.empty();
  return options;
}

AdmissionOptions admission_options(const ManagerConfig& config) {
  AdmissionOptions options;
  options.max_images = config.max_open_images;
  options.max_bytes = config.max_open_bytes.bytes;
  options.max_unstored = config.max_unstored.bytes;
  options.session_share_percent = config.session_share;
  return options;
}

StorageOptions storage_options(const ManagerConfig& config) {
  StorageOptions options;
  options.data_dir = config.data_dir;
  options.cache_bytes = config.cache.bytes;
  options.sync = parse_sync_policy(config.sync).value_or(SyncPolicy::kAlways);
  options.sync_interval = config.sync_interval;
  options.retention = {config.keep_for, config.keep_bytes.bytes};
  return options;
}

}  // namespace

class Manager::Impl {
 public:
  Impl(const ManagerConfig& config, const Security& security, std::unique_ptr<Storage> storage,
       StaticFiles files)
      : config_(config),
        storage_(std::move(storage)),
        files_(std::move(files)),
        gate_(admission_options(config)),
        control_(io_, *storage_, control_options(config, storage_->manager_id(), security)),
        feed_(io_, *storage_, control_),
        waiters_(io_, control_),
        intake_(gate_, *storage_, control_, waiters_),
        api_(api_options(config, security, storage_->secret()),
             {intake_, *storage_, gate_, control_, feed_, metrics_, files_}),
        http_(
            io_, http_options(config),
            [this](HttpRequest request, Responder respond) {
              api_.handle(std::move(request), std::move(respond));
            },
            [this](UpgradeRequest upgrade) { api_.upgrade(std::move(upgrade)); }) {
    control_.add_observer(gate_);
    control_.add_observer(metrics_);
    control_.add_observer(feed_);
    control_.add_observer(api_.observer());  // before whoever waits: an answer is counted
    control_.add_observer(waiters_);
    if (!config.ops_listen.empty()) make_ops_server();
  }

  ~Impl() {
    if (thread_.joinable()) stop();
  }

  Status start() {
    gate_.resumed(storage_->open_images());
    storage_->on_expired([this](const ImageRecord& image) { control_.image_removed(image); });
    if (Status status = control_.start(); !status.ok()) return status;
    if (ops_) {
      if (Status status = ops_->start(); !status.ok()) return status;
    }
    if (Status status = http_.start(); !status.ok()) return status;
    thread_ = std::thread([this] { io_.run(); });
    const auto at = [](const std::string& host, std::uint16_t port) {
      return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" +
             std::to_string(port);
    };
    spdlog::info("manager_ready http={} workers={} data={}", at(config_.http_listen, http_.port()),
                 at(config_.worker_listen, control_.worker_port()), config_.data_dir);
    return {};
  }

  void stop() {
    intake_.close();
    std::promise<void> drained;
    asio::post(io_, [&] {
      control_.shut_down(config_.drain, [&] {
        waiters_.release_all();
        feed_.close_all("the server is restarting");
        drained.set_value();
      });
    });
    drained.get_future().wait();
    http_.stop(kHttpGrace);
    work_.reset();
    io_.stop();
    thread_.join();
    const Totals totals = storage_->totals();
    storage_.reset();  // its last callbacks reach into what is destroyed before it otherwise
    spdlog::info("manager_stopped accepted={} done={} failed={} open={}", totals.accepted,
                 totals.done, totals.failed, totals.open);
  }

 private:
  void make_ops_server() {
    net::OpsHandlers handlers;
    handlers.readiness = [this]() -> net::OpsHandlers::Readiness {
      return {intake_.open(), intake_.open() ? "ready" : "shutting down"};
    };
    handlers.metrics = [this] {
      ClusterView view = control_.fresh_view();
      view.sockets = feed_.sockets();
      return metrics_.text(view, gate_.view());
    };
    ops_.emplace(io_, net::OpsServerOptions{.listen = config_.ops_listen}, std::move(handlers));
  }

  const ManagerConfig config_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::unique_ptr<Storage> storage_;
  StaticFiles files_;
  AdmissionGate gate_;
  Control control_;
  Metrics metrics_;
  LiveFeed feed_;
  Waiters waiters_;
  Intake intake_;
  Api api_;
  HttpServer http_;
  std::optional<net::OpsServer> ops_;
  std::thread thread_;
};

Manager::Manager(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Manager::~Manager() = default;

Result<std::unique_ptr<Manager>> Manager::start(const ManagerConfig& config) {
  const auto security = load_security(config);
  if (!security.ok()) return security.status();
  auto files = load_website(config);
  if (!files.ok()) return files.status();
  auto storage = Storage::open(storage_options(config));
  if (!storage.ok()) return storage.status();
  auto impl = std::make_unique<Impl>(config, *security, std::move(storage).value(),
                                     std::move(files).value());
  if (Status status = impl->start(); !status.ok()) return status;
  return std::unique_ptr<Manager>(new Manager(std::move(impl)));
}

void Manager::stop() { impl_->stop(); }

}  // namespace imgrec::manager
