// Writes the seed inputs of the fuzz targets: one file for each message, good and slightly wrong,
// short conversations, the smallest pictures of every format, and a few good and bad requests,
// forms, inferences, texts and configurations.
// Usage: fuzz_make_corpus DIRECTORY   (tests/fuzz/corpus)
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "proto/chunk.h"
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
  future.min_version = 4;
  future.max_version = 5;
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
  corpus.add("webp_animation", media::webp_extended(8, 6, 2));
  const std::string held = std::string("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0", 20);
  corpus.add("webp_with_exif", media::webp_extended(8, 6, 8, media::webp_chunk("EXIF", held)));
  corpus.add("bmp", media::bmp(8, 6));
  corpus.add("bmp_top_down", media::bmp(8, -6));
  corpus.add("bmp_os2", media::bmp_core(8, 6));
  corpus.add("tiff_little_endian", media::tiff(false, 8, 6));
  corpus.add("tiff_big_endian", media::tiff(true, 8, 6));
  corpus.add("tiff_of_tiles", media::tiff(true, 8, 6, {{322, 64}, {323, 32}}));
  corpus.add("gif", "GIF89a");
  corpus.add("pdf", "%PDF-1.7");
  corpus.add("text", "no picture");
  corpus.add("empty", "");
}

// Operations of fuzz_session_program.cpp: (operation, argument) pairs behind the side.
void add_programs(Corpus& corpus) {
  using namespace std::string_literals;
  const std::string manager = "\0"s, worker = "\1"s, both = "\2"s;
  const std::string time = "\x07\x28"s;       // 1.6 s pass
  const std::string long_time = "\x07\xff"s;  // 65 s pass
  const std::string from_hello = "\0\2"s, welcome = "\x09\0"s;
  corpus.add("empty", "");
  corpus.add("manager_work", manager + from_hello + welcome + "\x39\x11\x40\x10"s + time +
                                 "\x80\x01\x49\x10\x59\x01\x51\x02\xa0\0"s);
  corpus.add("manager_dead_worker",
             manager + from_hello + welcome + "\x39\x11"s + long_time + time);
  corpus.add("manager_damage", manager + from_hello + welcome + "\x44\x10\x20\x01\x40\x10"s);
  corpus.add("worker_work",
             worker + "\x10\x07\x30\x11\x09\x10"s + time + "\x60\x01\x39\x02\xa0\0"s);
  corpus.add("worker_refused", worker + "\x20\x08"s);
  corpus.add("worker_sliced", worker + "\x16\x07\x36\x41\x69\x01"s);
  // Both: HELLO up, WELCOME down, ASSIGN down, RESULT up, time, PINGs, DRAIN, BYE.
  const std::string up = "\x30\0"s, down = "\x20\0"s;
  const std::string joined = both + up + "\x03\0"s + down;
  corpus.add("both_work", joined + "\x63\x11"s + down + "\x05\x11"s + up + time + up + down +
                              "\xc3\x11"s + down + "\xe5\x01"s + up);
  corpus.add("both_damage", joined + "\x63\x11\x0a\x20\x04"s + down + up);
  corpus.add("both_cut", joined + "\x63\x11\x00\x20\x0d\0"s);
}

void add_requests(Corpus& corpus) {
  using namespace std::string_literals;
  const std::string plain = "\0\5"s, slow = "\1\5"s;
  const std::string get = "GET /abc HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string post =
      "POST /api/v1/images?wait=3 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
  corpus.add("get", plain + get);
  corpus.add("pipeline", plain + get + post + "\r\n" + get);
  corpus.add("slow_pipeline", slow + get + post + get + post);
  corpus.add("close", plain + "GET / HTTP/1.0\r\n\r\n" + get);
  corpus.add("continue", plain + "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" +
                             "Content-Length: 2\r\n\r\nab" + get);
  corpus.add("two_lengths", plain + "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n" +
                                "Content-Length: 5\r\n\r\nabcde");
  corpus.add("chunked", plain + "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n" +
                            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + get);
  corpus.add("lone_line_feed", plain + "GET / HTTP/1.1\nHost: x\n\n" + get);
  corpus.add("folded", plain + "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n");
  corpus.add("upgrade", plain + "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n" +
                            "Connection: keep-alive, Upgrade\r\n\r\nmore");
  corpus.add("long_body", plain + "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\nabc");
  corpus.add("slow_body", slow + "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n\r\nabc");
}

void add_forms(Corpus& corpus) {
  const std::string type = "multipart/form-data; boundary=b\n";
  const std::string part = "--b\r\nContent-Disposition: form-data; name=\"file\"";
  corpus.add("file", type + part + "; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n" +
                         "\x89PNG\r\n--b--\r\n");
  corpus.add("two_files", type + part + "; filename=a\r\n\r\n1\r\n" + part + "\r\n\r\n\r\n--b--");
  corpus.add("quoted", type + part + R"(; filename="a%22\"\\b.png")" + "\r\n\r\n1\r\n--b--");
  corpus.add("extended", type + part + "; filename*=UTF-8''na%C3%AFve.png\r\n\r\n1\r\n--b--");
  corpus.add("quoted_boundary",
             "multipart/form-data; boundary=\"b\"; charset=x\n" + part + "\r\n\r\n1\r\n--b--");
  corpus.add("almost_boundary", type + part + "\r\n\r\n1\r\n--bc\r\n--b x\r\n--b \t\r\n--b--");
  corpus.add("cut", type + part + "\r\n\r\n1");
  corpus.add("no_headers", type + "--b\r\n\r\n1\r\n--b--");
}

void add_texts(Corpus& corpus) {
  const char* const texts[] = {"a%20b%zz+c",
                               "a=1&b=%41&a=2&c&&=x",
                               "a=b; imgrec_session=\"0123\"; c",
                               "\"q\" \\ \xc3\xa9 \x01\xff",
                               "..\\dir/na\xc3\xafve\x7f.jpg",
                               "keep-alive, Upgrade",
                               "0123456789abcdef",
                               "{\"type\":\"cluster\",\"on\":true}",
                               "text/plain\nX-A: b\r\nContent-Length: 3\n"};
  char choice = 0;
  for (const char* const text : texts) {
    corpus.add("check_" + std::to_string(choice), std::string(1, choice) + text);
    ++choice;
  }
}

void add_inferences(Corpus& corpus) {
  using namespace std::string_literals;
  const std::string input = R"("name":"image","datatype":"BYTES","shape":[)";
  const std::string text = "{\"inputs\":[{" + input + R"(1],"data":["Zm9v"]}])";
  corpus.add("json", "-\n" + text + "}");
  corpus.add("json_column", "-\n{\"inputs\":[{" + input + R"(2,1],"data":[["Zg=="],["Zm8"]]}]})");
  corpus.add("wishes", "-\n" + text +
                           R"(,"id":"a\"b","parameters":{"timeout":5,"binary_data_output":true},)"
                           R"("outputs":[{"name":"probabilities"},{"name":"label","parameters":)"
                           R"({"classification":2,"binary_data":false}},{"name":"score"}]})");
  corpus.add("classes", "-\n" + text +
                            R"(,"outputs":[{"name":"index","parameters":)"
                            R"({"classification":1000,"binary_data":true}}]})");
  corpus.add("raw", "0\n\xff\xd8");
  const std::string binary =
      "{\"inputs\":[{" + input + R"(2],"parameters":{"binary_data_size":11}}]})";
  corpus.add("binary", "|\n" + binary + "|\3\0\0\0foo\0\0\0\0"s);
  corpus.add("binary_lies", "|\n" + binary + "|\4\0\0\0foo\0\0\0\0"s);
  corpus.add("binary_without_length", "-\n" + binary);
  corpus.add("length_beyond", "999\n" + text + "}");
  corpus.add("length_of_part", "9\n" + text + "}");
  corpus.add("shape_overflows",
             "-\n{\"inputs\":[{" + input + R"(4294967296,4294967296],"data":["Zm9v"]}]})");
  corpus.add("deep", "-\n" + std::string(40, '['));
  corpus.add("name_twice", R"(-
{"id":"a","id":"b"})");
  corpus.add("number_too_large", R"(-
{"parameters":{"timeout":1e999}})");
}

void add_configurations(Corpus& corpus) {
  using namespace std::string_literals;
  corpus.add("empty", "");
  corpus.add("all", "http:\n  port: 80\n  threads: 3\n  limits:\n    pixels: 5\n"s +
                        "once: true\nfail-probability: 0.25\nlog.level: debug\ntimeout: 250ms\n" +
                        "storage: {cache: 64KiB}\nworker:\n  managers: [a:1, b:2]\n");
  corpus.add("flags", "timeout: 1s\n\0"s + "5s\0--port\0" +
                          "81\0--once=false\0--manager=c:3,d:4\0" + "--check-config\0--\0more"s);
  corpus.add("twice", "timeout: 1s\ntimeout: 2s\n");
  corpus.add("unknown", "http:\n  prot: 1\n");
  corpus.add("octal", "http: {port: 010}\n");
  corpus.add("documents", "---\ntimeout: 1s\n---\nonce: true\n");
  corpus.add("aliases", "http: &h\n  port: 1\nonce: *h\nworker: {managers: [&x a, *x]}\n");
  corpus.add("documents_without_end", "[1], 2]");
  corpus.add("too_many_threads", "http:\n  threads: 65\n");
}

void add_models(Corpus& corpus) {
  const std::string sum(64, 'a');
  const std::string head =
      "format: 1\nname: demo\ninput:\n  width: 224\n  height: 224\n  resize:\n    mode: squash\n"
      "    width: 256\n    height: 256\n    filter: area\n  crop: center\nchannels: bgr\n";
  const std::string tail =
      "scale: 1\noutputs: probabilities\nunsure_below: 0.25\nclasses: 3\nsource: \"a \\\"b\\\"\"\n"
      "licence: none\nsha256:\n  model.pt: " +
      sum + "\n  labels.txt: " + sum + "\n";
  corpus.add("good", head + "mean: [104, 117, 123.5]\n" + tail);
  corpus.add("no_mean", head + tail);
  corpus.add("two_means", head + "mean: [1, 2]\n" + tail);
  corpus.add("mean_twice", head + "mean: [1, 2, 3]\nmean: [1, 2, 3]\n" + tail);
  corpus.add("no_utf8", head + "mean: [1, 2, 3]\n" + tail + "# \x9c\n");
  std::string licence = head + "mean: [1, 2, 3]\n" + tail;
  licence.replace(licence.find("licence: none"), 13, "licence: n\x9cne");
  corpus.add("licence_no_utf8", licence);
  corpus.add("list", "[1, 2]\n");
  corpus.add("documents_without_end", "[1], 2]");
}

void add_lanes(Corpus& corpus) {
  const auto slice = [](char lane, std::uint64_t position, const std::string& bytes) {
    const auto header = chunk_header(position, static_cast<std::uint32_t>(bytes.size()));
    const std::string chunk = std::string(header.begin(), header.end()) + bytes;
    return std::string(1, lane) + static_cast<char>(chunk.size()) + chunk;
  };
  const std::string any(1, '\0');
  corpus.add("in_order", any + slice(0, 0, "abc") + slice(1, 3, "de"));
  corpus.add("out_of_order", any + slice(0, 3, "de") + slice(1, 0, "abc"));
  corpus.add("copy", any + slice(0, 0, "abc") + slice(1, 0, "abc") + slice(2, 3, "d"));
  corpus.add("overlap", any + slice(0, 2, "cd") + slice(1, 0, "abc"));
  corpus.add("cut", any + slice(0, 0, "abc").substr(0, 10));
  corpus.add("shuffled", "\x01" + std::string("the order in which the chunks come, some twice"));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
    return 2;
  }
  const std::filesystem::path directory = argv[1];
  bool good = true;
  const auto make = [&](const char* target, void (*add)(Corpus&)) {
    Corpus corpus(directory / target);
    add(corpus);
    std::printf("%s: %d inputs\n", target, corpus.count());
    good = good && corpus.good();
  };
  make("frame_decoder", add_streams);
  make("session", add_conversations);
  make("session_program", add_programs);
  make("image_header", add_pictures);
  make("input_guard", add_requests);
  make("multipart", add_forms);
  make("http_text", add_texts);
  make("inference_protocol", add_inferences);
  make("options", add_configurations);
  make("model_spec", add_models);
  make("lanes", add_lanes);
  return good ? 0 : 1;
}
