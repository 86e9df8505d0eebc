// What `imgrec classify` sends, awaits, tries again and gives up. Pure: events and time in,
// intentions out; it does no I/O, starts no thread and reads no clock.
//
// Thread rule: confined to one thread.
// Owns: what is known of the files under way. Paths and bytes are the shell's; a file is its
// number.
//
// The rules:
// - Files are sent in their order, at most `parallel` at once; outcomes are told in that order too.
//   No file is begun that is `window` or more behind the first whose outcome is not told: memory
//   does not grow with the number of files.
// - Every try of a file carries the same key (StartUpload names the file; the shell makes the key
//   of its number), so that an answer lost on the way does not make two images of one.
// - Results come over the socket, resumed after the newest number seen. After each hello, and again
//   and again while there is no socket, the open images are read over REST (a sweep).
//   What the socket says of an image whose upload is not answered yet is kept until it is.
// - A lost connection postpones: back-off, doubled each time, half of it at random. A busy server
//   (429, 503) is left alone for as long as it asks for, and from then on no more images are open
//   than it took, one more after each such number of results. A try counts against a file only
//   where the server was heard of meanwhile: else the network is to blame.
// - Progress is an acceptance, a result, an image on its way to a worker, or a byte of a file that
//   no earlier try had sent. Without any for `timeout` the rest is given up; sooner, after
//   `connect_patience`, where the server was never heard of.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "client/core/failure.h"
#include "client/core/server_image.h"
#include "proto/ids.h"

namespace imgrec::client {

using TimePoint = std::chrono::steady_clock::time_point;
using FileId = NumericId<struct FileTag>;  // its place among the files, from 0

// ---- events: what happened --------------------------------------------------------------------
struct Started {};
struct UploadProgressed {
  FileId file;
  std::uint64_t sent = 0;  // bytes of this try
};
struct UploadEnded {
  FileId file;
  std::variant<ServerImage, Failure> answer;
};
struct SocketOpened {  // hello has come
  std::uint64_t seq = 0;
};
struct SocketResult {
  std::uint64_t seq = 0;
  ServerImage image;
};
struct SocketHint {  // on its way to a worker
  ImageId id;
};
struct SocketDeleted {
  ImageId id;
};
struct SocketLost {  // or not to be had
  Failure why;
};
struct ImagePage {
  std::vector<ServerImage> images;  // newest first
  std::string next;                 // cursor; empty: the last page
};
struct PageRead {
  std::variant<ImagePage, Failure> answer;
};
struct ImageRead {
  ImageId id;
  std::variant<ServerImage, Failure> answer;
};
struct DeleteEnded {
  ImageId id;
  std::optional<Failure> failure;
};
struct Interrupted {};
struct Tick {};  // time passed; send it when next_deadline() is reached
using Event =
    std::variant<Started, UploadProgressed, UploadEnded, SocketOpened, SocketResult, SocketHint,
                 SocketDeleted, SocketLost, PageRead, ImageRead, DeleteEnded, Interrupted, Tick>;

// ---- actions: what is to be done, in this order -----------------------------------------------
struct StartUpload {  // answered by UploadEnded
  FileId file;
};
struct OpenSocket {  // answered by SocketOpened or SocketLost; REQUIRES: there is none
  std::optional<std::uint64_t> after;
};
struct ReadPage {  // answered by PageRead
  std::string cursor;
};
struct ReadImage {  // with all the classes wanted; answered by ImageRead
  ImageId id;
};
struct DeleteImage {  // answered by DeleteEnded
  ImageId id;
};
enum class OutcomeKind {
  kRecognised,
  kFailed,      // by the server, after it was accepted
  kRejected,    // not accepted, or not readable
  kUnfinished,  // given up
};
struct TellOutcome {
  FileId file;
  OutcomeKind kind = OutcomeKind::kUnfinished;
  std::optional<ServerImage> image;  // of what was settled
  std::string code;                  // why not, of all but kRecognised
  std::string detail;
};
struct TellNotDeleted {
  ImageId id;
  std::string detail;
};
enum class Ending {
  kComplete,     // every file has its outcome
  kTimedOut,     // the server answers, and nothing moves
  kUnreachable,  // the server does not answer
  kRefused,      // the server will not serve us
  kNoOutput,     // nobody takes what it tells
  kInterrupted,
};
struct End {  // nothing follows
  Ending ending = Ending::kComplete;
  std::string reason;  // of all but kComplete
};
using Action = std::variant<StartUpload, OpenSocket, ReadPage, ReadImage, DeleteImage, TellOutcome,
                            TellNotDeleted, End>;

struct ClassifyOptions {
  std::uint64_t files = 0;
  unsigned parallel = 4;  // uploads at once
  unsigned window = 2048;
  unsigned top = 5;           // classes wanted of each
  bool own_session = true;    // nobody else uses it: all its results are ours
  bool remove_after = false;  // delete each image when its result is there
  std::chrono::milliseconds timeout{120'000};
  std::chrono::milliseconds connect_patience{5'000};
  std::function<double()> random = [] { return 0.5; };  // uniform in [0, 1)
};

enum class Connection { kConnecting, kOnline, kLost, kBusy };

struct Progress {
  std::uint64_t files = 0;
  std::uint64_t recognised = 0;
  std::uint64_t failed = 0;  // or rejected
  std::uint64_t open = 0;    // at the server
  std::uint64_t not_deleted = 0;
  std::uint64_t bytes_sent = 0;
  Connection connection = Connection::kConnecting;
};

class ClassifyCore {
 public:
  // How many classes the socket tells of each image. More are read over REST.
  static constexpr unsigned kSocketTop = 5;

  explicit ClassifyCore(ClassifyOptions options);

  // REQUIRES: `now` never goes back; the first event is Started.
  [[nodiscard]] std::vector<Action> on_event(Event event, TimePoint now);

  // When to send Tick next; nullopt when nothing is timed.
  [[nodiscard]] std::optional<TimePoint> next_deadline() const;

  [[nodiscard]] Progress progress() const;

 private:
  enum class Stage { kWaiting, kSending, kOpen, kReading, kSettled };
  struct File {
    Stage stage = Stage::kWaiting;
    unsigned tries = 0;          // that count against it
    TimePoint begun;             // of this try
    std::uint64_t furthest = 0;  // bytes that some try has sent
    bool sent_before = false;    // a try's answer may have been lost
    ImageId id;
    TellOutcome outcome;  // of kSettled; of kReading: its image as the socket told it
  };
  struct Sweep {
    std::set<ImageId> missing;  // open when it began and not met yet
    unsigned pages = 0;
  };
  enum class Socket { kClosed, kOpening, kOpen };
  using Files = std::map<FileId, File>;

  void handle(Started&& event, TimePoint now);
  void handle(UploadProgressed&& event, TimePoint now);
  void handle(UploadEnded&& event, TimePoint now);
  void handle(SocketOpened&& event, TimePoint now);
  void handle(SocketResult&& event, TimePoint now);
  void handle(SocketHint&& event, TimePoint now);
  void handle(SocketDeleted&& event, TimePoint now);
  void handle(SocketLost&& event, TimePoint now);
  void handle(PageRead&& event, TimePoint now);
  void handle(ImageRead&& event, TimePoint now);
  void handle(DeleteEnded&& event, TimePoint now);
  void handle(Interrupted&& event, TimePoint now);
  void handle(Tick&& event, TimePoint now);

  void accepted(Files::iterator file, ServerImage image, TimePoint now);
  void not_accepted(Files::iterator file, Failure failure, TimePoint now);
  // News of an image of ours. `complete`: with all the classes that were asked for.
  void learn(Files::iterator file, ServerImage image, bool complete, TimePoint now);
  void settle(Files::iterator file, OutcomeKind kind, std::string code, std::string detail,
              TimePoint now);
  void forget(const ImageId& id, const std::string& code, const std::string& detail, TimePoint now);
  void page_came(ImagePage page, TimePoint now);
  Files::iterator open_file(const ImageId& id);

  void heard(TimePoint now);  // the server answers
  void progressed(TimePoint now);
  // Holds back what calls the server, after a failure. False: it was the end.
  bool pause(const Failure& failure, unsigned tries, TimePoint now);
  void accept_limit();
  void outgrow_limit();
  bool paused(TimePoint now) const { return paused_until_ && now < *paused_until_; }
  std::chrono::milliseconds backoff(unsigned failures) const;

  void advance(TimePoint now);
  void give_up_in_time(TimePoint now);
  void open_socket(TimePoint now);
  void start_uploads(TimePoint now);
  void start_reads();
  void start_deletions();
  void start_sweep(TimePoint now);
  void tell();
  void tell_rest();
  bool all_done() const;
  void end(Ending ending, std::string reason);
  bool stopping() const { return stop_by_.has_value(); }
  TimePoint give_up_at() const;

  ClassifyOptions options_;
  Files files_;             // begun, and their outcome not told
  std::set<FileId> again_;  // of them, those that wait for another try
  std::uint64_t next_ = 0;  // the first file that is not begun
  std::uint64_t told_ = 0;  // the first file whose outcome is not told
  unsigned sending_ = 0;
  std::unordered_map<ImageId, FileId> by_id_;  // open or being read
  std::map<ImageId, ServerImage> early_;       // results of ids that no upload has named yet
  std::uint64_t recognised_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t not_deleted_ = 0;

  Socket socket_ = Socket::kClosed;
  TimePoint socket_at_;  // of the next try
  unsigned socket_failures_ = 0;
  bool greeted_ = false;
  std::uint64_t seq_ = 0;  // newest result seen

  std::optional<Sweep> sweep_;
  bool sweep_again_ = false;  // a hello came during a sweep
  TimePoint sweep_at_;
  std::chrono::milliseconds sweep_period_;

  std::deque<ImageId> reads_;  // to be asked for
  unsigned reading_ = 0;
  std::deque<ImageId> deletions_;
  std::map<ImageId, unsigned> deleting_;  // tries of each that was begun
  unsigned deletions_under_way_ = 0;

  std::optional<TimePoint> paused_until_;
  bool busy_ = false;                     // the pause is the server's wish
  std::optional<std::size_t> most_open_;  // what a busy server takes of us, as far as we know
  std::size_t settled_at_limit_ = 0;      // since that was found or raised
  unsigned failures_ = 0;                 // of the network in a row
  bool heard_ever_ = false;
  TimePoint heard_at_;
  TimePoint progress_at_;
  std::string last_failure_;  // of the network; empty once the server was heard again
  std::optional<TimePoint> stop_by_;
  bool ended_ = false;
  std::vector<Action> actions_;  // of the event in hand
};

// The exit code of a run: 0 every file recognised, 1 some not, 3 the server not reachable or not
// willing, 130 interrupted.
int exit_code(Ending ending, const Progress& progress);

}  // namespace imgrec::client
