#include "bench/inference_bench.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <exception>
#include <iomanip>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/batches.h"
#include "bench/contender.h"
#include "bench/matrix_rate.h"
#include "bench/photo_set.h"
#include "bench/statistics.h"
#include "worker/graph/passes.h"
#include "worker/inference/model_folder.h"
#include "worker/inference/torch_graph.h"
#include "worker/inference/torch_network.h"

namespace imgrec::bench {
namespace {

using Clock = std::chrono::steady_clock;
using worker::NetworkForm;
using worker::Precision;

const std::vector<unsigned> kBatchSizes{1, 2, 4, 8};

// One line of the table.
struct Row {
  Contender* contender = nullptr;
  unsigned threads = 1;
  bool decode = false;
  std::vector<double> rates;  // images a second, by round
};

// Images a second of `threads` threads that each recognise photos for `seconds`; at least three.
double measure(const Row& row, std::size_t photos, double seconds) {
  std::atomic<std::uint64_t> images{0};
  std::exception_ptr failure;
  std::atomic<bool> failed{false};
  std::barrier ready(static_cast<std::ptrdiff_t>(row.threads) + 1);
  std::vector<std::thread> threads;
  std::vector<double> spent(row.threads);
  for (unsigned t = 0; t < row.threads; ++t) {
    threads.emplace_back([&, t] {
      bool arrived = false;
      try {
        const std::unique_ptr<Session> session = row.contender->session();
        ready.arrive_and_wait();
        arrived = true;
        const auto start = Clock::now();
        std::uint64_t done = 0;
        std::chrono::duration<double> elapsed{};
        while (done < 3 || elapsed.count() < seconds) {
          session->run((done * row.threads + t) % photos, row.decode);
          ++done;
          elapsed = Clock::now() - start;
        }
        images += done;
        spent[t] = elapsed.count();
      } catch (...) {
        if (!failed.exchange(true)) failure = std::current_exception();
        if (!arrived) ready.arrive_and_drop();
      }
    });
  }
  ready.arrive_and_wait();
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  return static_cast<double>(images) / *std::max_element(spent.begin(), spent.end());
}

struct Accuracy {
  unsigned agree = 0;       // with the reference's best class
  unsigned references = 0;  // photos that have one
  unsigned right = 0;       // by the files' names
  unsigned named = 0;
};

Accuracy accuracy_of(Contender& contender, const std::vector<Photo>& photos,
                     const std::vector<std::string>& labels) {
  Accuracy result;
  std::thread thread([&] {  // sessions set up their thread
    const std::unique_ptr<Session> session = contender.session();
    for (std::size_t i = 0; i < photos.size(); ++i) {
      const std::string& label = labels.at(session->run(i, true));
      const std::string word = label.substr(0, label.find(' '));
      result.references += photos[i].expected.empty() ? 0 : 1;
      result.agree += !photos[i].expected.empty() && word == photos[i].expected ? 1 : 0;
      result.named += photos[i].file_says.empty() ? 0 : 1;
      result.right += !photos[i].file_says.empty() && word == photos[i].file_says ? 1 : 0;
    }
  });
  thread.join();
  return result;
}

class Bench {
 public:
  Bench(const InferenceBenchOptions& options, std::ostream& out) : options_(options), out_(out) {}

  Status run() {
    auto folder = worker::load_model_folder(options_.model);
    if (!folder) return folder.status();
    labels_ = folder->labels;
    auto photos = read_photos(options_.photos, options_.reference);
    if (!photos) return photos.status();
    photos_ = std::move(*photos);
    const worker::ModelSpec& spec = folder->spec;
    read_graph(folder->module, {spec.input_width, spec.input_height, spec.classes});
    if (Status status = gather(); !status.ok()) return status;
    measure_accuracy();
    make_rows();
    for (unsigned round = 0; round < options_.rounds; ++round) {
      matrix_rates_.push_back(matrix_rate_.measure());
      if (batches_) batch_rates_.push_back(batches_->measure(options_.seconds));
      for (Row& row : rows_) row.rates.push_back(measure(row, photos_.size(), options_.seconds));
    }
    report(spec);
    return {};
  }

 private:
  void read_graph(const worker::ModuleFile& module, worker::NetworkShape shape) {
    worker::use_one_thread();
    auto graph = worker::read_torch_graph(module, shape);
    if (!graph) {
      out_ << "the network's operations cannot be counted: " << graph.status().message() << "\n";
      return;
    }
    worker::simplify(*graph);
    operations_ = worker::operations(*graph);
    if (auto batches = Batches::compile(*graph, kBatchSizes)) batches_ = std::move(*batches);
  }

  Status gather() {
    const auto engine = [&](std::string name, NetworkForm form, Precision precision) {
      worker::TorchEngineOptions options;
      options.model_dir = options_.model;
      options.form = form;
      options.precision = precision;
      add(name, engine_contender(name, options, photos_));
    };
    engine("TorchScript as saved", NetworkForm::kAsSaved, Precision::kFp32);
    engine("TorchScript optimized", NetworkForm::kOptimized, Precision::kFp32);
    if (!options_.caffe.empty()) {
      add("OpenCV DNN", opencv_contender("OpenCV DNN", options_.caffe, options_.model, photos_));
    }
    engine("compiled fp32", NetworkForm::kCompiled, Precision::kFp32);
    engine("compiled bf16", NetworkForm::kCompiled, Precision::kBf16);
    engine("compiled int8", NetworkForm::kCompiled, Precision::kInt8);
    if (contenders_.empty()) return {StatusCode::kUnsupported, "nothing can run this model"};
    return {};
  }

  void add(const std::string& name, Result<std::unique_ptr<Contender>> contender) {
    if (contender) {
      contenders_.push_back(std::move(*contender));
    } else {
      out_ << "left out: " << name << ": " << contender.status().message() << "\n";
    }
  }

  void measure_accuracy() {
    for (const auto& contender : contenders_) {
      accuracies_.push_back(accuracy_of(*contender, photos_, labels_));
    }
  }

  void make_rows() {
    for (unsigned threads = 1; threads <= options_.max_threads; ++threads) {
      for (const bool decode : {false, true}) {
        for (const auto& contender : contenders_) {
          rows_.push_back({contender.get(), threads, decode, {}});
        }
      }
    }
  }

  const Row* row_of(const std::string& name, const Row& like) const {
    for (const Row& row : rows_) {
      if (row.contender->name() == name && row.threads == like.threads &&
          row.decode == like.decode) {
        return &row;
      }
    }
    return nullptr;
  }

  void print_ratio(const Row& row, const std::string& to, int width) const {
    const Row* base = row_of(to, row);
    out_ << std::setw(width);
    if (base == nullptr) {
      out_ << "-";
    } else {
      out_ << std::setprecision(2) << median_ratio(row.rates, base->rates);
    }
  }

  void report(const worker::ModelSpec& spec) const {
    const double rate = median(matrix_rates_);
    out_ << std::fixed << std::setprecision(1) << "model " << spec.name << ", " << photos_.size()
         << " photos, " << options_.rounds << " rounds of " << options_.seconds << " s\n"
         << "sgemm on one thread: " << rate / 1e9
         << " GFLOP/s (OpenBLAS kernels: " << blas_kernels() << ")";
    if (operations_ > 0) {
      out_ << "; " << std::setprecision(2) << operations_ / 1e9 << " GFLOP an image: at most "
           << std::setprecision(1) << rate / operations_ << " images/s in fp32 on one thread";
    }
    out_ << "\n\n"
         << "threads decode  network                  images/s (lowest-highest)  of bound  /OpenCV "
            " /fp32  agreement  top-1\n";
    for (const Row& row : rows_) print(row);
    report_batches();
  }

  void report_batches() const {
    if (!batches_) return;
    out_ << "\nbatches (compiled fp32, one thread, without decoding): ";
    for (std::size_t i = 0; i < kBatchSizes.size(); ++i) {
      std::vector<double> rates;
      std::vector<double> singles;
      for (const std::vector<double>& round : batch_rates_) {
        rates.push_back(round[i]);
        singles.push_back(round[0]);
      }
      out_ << (i == 0 ? "" : ", ") << kBatchSizes[i] << " at a time " << std::setprecision(1)
           << median(rates) << " images/s (" << std::setprecision(2) << median_ratio(rates, singles)
           << ")";
    }
    out_ << "\n";
  }

  void print(const Row& row) const {
    const auto [low, high] = std::minmax_element(row.rates.begin(), row.rates.end());
    out_ << std::setw(7) << row.threads << std::setw(7) << (row.decode ? "yes" : "no") << "  "
         << std::left << std::setw(22) << row.contender->name() << std::right
         << std::setprecision(1) << std::setw(11) << median(row.rates) << "  (" << std::setw(5)
         << *low << "-" << std::setw(5) << *high << ")";
    std::vector<double> bounds;
    for (const double measured : matrix_rates_) {
      bounds.push_back(operations_ > 0 ? measured / operations_ * row.threads : 0);
    }
    out_ << std::setw(16) << std::setprecision(2) << median_ratio(row.rates, bounds);
    print_ratio(row, "OpenCV DNN", 9);
    print_ratio(row, "compiled fp32", 7);
    std::size_t index = 0;
    while (contenders_[index].get() != row.contender) ++index;
    const Accuracy& accuracy = accuracies_[index];
    const auto of = [](unsigned part, unsigned all) {
      return all == 0 ? std::string("-") : std::to_string(part) + "/" + std::to_string(all);
    };
    out_ << std::setw(11) << of(accuracy.agree, accuracy.references) << std::setw(8)
         << of(accuracy.right, accuracy.named) << "\n";
  }

  const InferenceBenchOptions options_;
  std::ostream& out_;
  std::vector<std::string> labels_;
  std::vector<Photo> photos_;
  std::vector<std::unique_ptr<Contender>> contenders_;
  std::vector<Accuracy> accuracies_;  // by contender
  std::vector<Row> rows_;
  MatrixRate matrix_rate_;
  std::vector<double> matrix_rates_;              // by round
  double operations_ = 0;                         // for one image
  std::unique_ptr<Batches> batches_;              // none: the network cannot be compiled
  std::vector<std::vector<double>> batch_rates_;  // by round, by size
};

}  // namespace

Status run_inference_bench(const InferenceBenchOptions& options, std::ostream& out) {
  try {
    return Bench(options, out).run();
  } catch (const std::exception& error) {
    return {StatusCode::kInternal, error.what()};
  }
}

}  // namespace imgrec::bench
