// Writes the seed inputs of the fuzz targets: one file for each message, good and slightly wrong,
// short conversations, and the smallest pictures of every format.
// Usage: fuzz_make_corpus DIRECTORY   (tests/fuzz/corpus)
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "proto/session.h"
#include "tests/unit/media/sample_files.h"
#include "tests/unit/proto/fake_join_token.h"
#include "tests/unit/proto/samples.h"

namespace {

using namespace imgrec::proto;
using imgrec::JobId;
using imgrec::proto::testing::bytes_of;

class Corpus {
 public:
  explicit Corpus(std::filesystem::path directory) : directory_(std::move(directory)) {
    std::filesystem::create_directories(directory_);
  }
  void add(const std::string& name, const std::string& bytes) {
    std::ofstream file(directory_ / name, std::ios::binary);
    file << bytes;
    file.close();
    good_ = good_ && file.good();
    ++count_;
  }
  bool good() const { return good_; }
  int count() const { return count_; }

 private:
  std::filesystem::path directory_;
  bool good_ = true;
  int count_ = 0;
};

std::string lower(std::string_view name) {
  std::string text(name);
  for (char& c : text) c = static_cast<char>(c | 0x20);
  return text;
}

void add_streams(Corpus& corpus) {
  const std::string slices = "\x05";
  std::string all = slices;
  for (const Message& message : testing::sample_messages()) {
    const std::string name = lower(to_string(type_of(message)));
    const std::string bytes = bytes_of(message);
    all += bytes;
    corpus.add(name, slices + bytes);
    corpus.add(name + "_cut", slices + bytes.substr(0, bytes.size() - 1));
    std::string damaged = bytes;
    damaged.back() ^= 0x20;
    corpus.add(name + "_damaged", slices + damaged);
    std::string longer = bytes + "x";
    store_big_endian(static_cast<std::uint32_t>(longer.size() - kHeaderBytes), longer.data() + 8);
    testing::mend_sums(longer);
    corpus.add(name + "_left_over", slices + longer);
  }
  corpus.add("all_messages", all);
  corpus.add("http", slices + "GET / HTTP/1.1\r\nHost: here\r\n\r\n");
  corpus.add("tls", slices + "\x16\x03\x01\x02\x05");
  corpus.add("length_over_limit", slices + testing::raw_header(4, 0xFFFFFFFF));
  corpus.add("length_without_bytes", slices + testing::raw_header(4, 64u << 20));
  corpus.add("unknown_type", slices + testing::raw_header(99, 0));
  corpus.add("empty", "");
  Hello hello = testing::sample_hello();
  hello.name = "control \x1B[2J and \xFF\xC0\x80 no text";
  corpus.add("hello_with_bad_text", slices + bytes_of(Message(hello)));
}

void add_conversations(Corpus& corpus) {
  const std::string to_manager = "\x03\x07";  // a manager that welcomes
  const std::string draining = "\x07\x01";    // and drains at a FAIL
  const std::string refusing = "\x01\x07";
  const std::string to_worker = std::string("\0\x09", 2);
  const std::string leaving = "\x0C\x02";
  const std::string hello = bytes_of(Message(testing::sample_hello()));
  const std::string welcome = bytes_of(Message(testing::sample_welcome()));
  const std::string result = bytes_of(Message(testing::sample_outcome()));
  const std::string fail = bytes_of(Message(testing::sample_fail()));
  const std::string assign = bytes_of(Message(testing::sample_assign()));
  const std::string cancel = bytes_of(Message(Cancel{JobId{11}, 4, CancelReason::kDeleted}));
  const std::string ping = bytes_of(Message(Ping{12, 5, {6, 1}}));
  const std::string pong = bytes_of(Message(Pong{1, 5, {0, 2}}));
  const std::string drain = bytes_of(Message(Drain{std::chrono::seconds(1), "leaving"}));
  const std::string bye = bytes_of(Message(Bye{"done"}));

  corpus.add("empty", "");
  corpus.add("manager_work", to_manager + hello + result + ping + result + pong + fail + bye);
  corpus.add("manager_refuses", refusing + hello + bye);
  corpus.add("manager_drains", draining + hello + fail + result + bye);
  corpus.add("manager_worker_drains", to_manager + hello + drain + result + drain + ping + bye);
  corpus.add("manager_two_hellos", to_manager + hello + hello);
  corpus.add("manager_no_hello", to_manager + result);
  corpus.add("manager_http", to_manager + "POST / HTTP/1.1\r\n\r\n");
  Hello future = testing::sample_hello();
  future.min_version = 2;
  future.max_version = 3;
  corpus.add("manager_other_version", to_manager + bytes_of(Message(future)));
  Outcome lie = testing::sample_outcome();
  lie.top[0].index = 1000;
  corpus.add("manager_unknown_class", to_manager + hello + bytes_of(Message(lie)));

  // With a join token. The target's sessions make the same nonces as these, so the proofs are good.
  const auto with_token = [] {
    return SessionOptions{.join_token = std::make_shared<testing::FakeJoinToken>("secret")};
  };
  Hello proven = testing::sample_hello();
  proven.instance_id = "instance";
  WorkerSession worker(with_token(), proven, {});
  ManagerSession manager(with_token(), {});
  const std::string open = bytes_of(worker.take_output());
  manager.feed(open, {});
  const std::string challenge = bytes_of(manager.take_output());
  worker.feed(challenge, {});
  const std::string proof_and_hello = bytes_of(worker.take_output());
  const std::string wrong = bytes_of(Message(Proof{std::string(kJoinBytes, 'x')}));
  corpus.add("manager_token_proven", "\x13\x07" + open + proof_and_hello + result + bye);
  corpus.add("manager_token_wrong", "\x13\x07" + open + wrong + hello);
  corpus.add("manager_token_missing", "\x13\x07" + hello);
  corpus.add("manager_has_no_token", to_manager + open);
  corpus.add("worker_token_proven", "\x10\x09" + challenge + welcome + assign + bye);

  corpus.add("worker_work", to_worker + welcome + assign + ping + cancel + pong + assign + bye);
  corpus.add("worker_refused",
             to_worker + bytes_of(Message(Refuse{RefuseCode::kModel, true, {}, "other model"})));
  corpus.add("worker_drains", to_worker + welcome + drain + assign + cancel + bye);
  corpus.add("worker_leaves", leaving + welcome + assign + cancel + assign);
  corpus.add("worker_no_welcome", to_worker + assign);
  Welcome greedy = testing::sample_welcome();
  greedy.max_payload_bytes = 0xFFFFFFFF;
  corpus.add("worker_greedy_manager", to_worker + bytes_of(Message(greedy)));
}

void add_pictures(Corpus& corpus) {
  namespace media = imgrec::media;
  corpus.add("jpeg", media::jpeg(8, 6));
  corpus.add("jpeg_with_exif", media::jpeg(8, 6, media::jpeg_segment(0xE1, "Exif and so on")));
  corpus.add("png", media::png(8, 6));
  corpus.add("webp_lossy", media::webp_lossy(8, 6));
  corpus.add("webp_lossless", media::webp_lossless(8, 6));
  corpus.add("webp_extended", media::webp_extended(8, 6));
  corpus.add("bmp", media::bmp(8, 6));
  corpus.add("bmp_top_down", media::bmp(8, -6));
  corpus.add("bmp_os2", media::bmp_core(8, 6));
  corpus.add("tiff_little_endian", media::tiff(false, 8, 6));
  corpus.add("tiff_big_endian", media::tiff(true, 8, 6));
  corpus.add("gif", "GIF89a");
  corpus.add("pdf", "%PDF-1.7");
  corpus.add("text", "no picture");
  corpus.add("empty", "");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
    return 2;
  }
  const std::filesystem::path directory = argv[1];
  Corpus streams(directory / "frame_decoder");
  add_streams(streams);
  Corpus conversations(directory / "session");
  add_conversations(conversations);
  Corpus pictures(directory / "image_header");
  add_pictures(pictures);
  std::printf("%d streams, %d conversations, %d pictures\n", streams.count(), conversations.count(),
              pictures.count());
  return streams.good() && conversations.good() && pictures.good() ? 0 : 1;
}
