#include "tests/simulation/network.h"

#include <algorithm>
#include <utility>

namespace imgrec::simulation {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::uint64_t kSlowBytesPerSecond = 1'500;
constexpr milliseconds kLongDelay{50};  // that counts as one
constexpr milliseconds kLongWait{50};   // that counts as a slow peer's
constexpr std::size_t kMaxPieces = 6;   // of one frame

std::string bytes_of(const proto::OutgoingFrame& frame) {
  std::string bytes;
  bytes.reserve(frame.size());
  bytes += frame.head;
  if (frame.body) bytes += *frame.body;
  return bytes;
}

}  // namespace

Pipe::Pipe(Network& network, const Cable& cable, unsigned direction)
    : network_(network),
      cable_(cable),
      direction_(direction),
      alarm_(network.world().loop, [this] { deliver(); }) {}

void Pipe::write(const proto::OutgoingFrame& frame) {
  if (ended_ || finishing_) return;
  waiting_.push_back(bytes_of(frame));
  advance();
}

void Pipe::finish() {
  finishing_ = true;
  advance();
}

void Pipe::break_off() {
  waiting_.clear();
  blocked_since_.reset();
  if (!ended_) launch_end("the peer's process ended");
}

void Pipe::cut() {
  waiting_.clear();
  blocked_since_.reset();
  std::size_t keep = flight_bytes_ == 0 ? 0 : network_.world().random.below(flight_bytes_ + 1);
  std::deque<Piece> kept;
  flight_bytes_ = 0;
  for (Piece& piece : flight_) {
    if (keep == 0 || piece.end) break;
    const bool whole = piece.bytes.size() <= keep;
    if (!whole) {
      piece.bytes.resize(keep);
      piece.last = false;
    }
    keep -= piece.bytes.size();
    flight_bytes_ += piece.bytes.size();
    kept.push_back(std::move(piece));
    if (!whole) break;
  }
  flight_ = std::move(kept);
  if (flight_.empty()) last_arrival_ = {};
  launch_end("connection reset");
}

void Pipe::stall(TimePoint until) {
  stalled_until_ = std::max(stalled_until_, until);
  arm();
}

// ---- onto the wire ----------------------------------------------------------------------------

void Pipe::advance() {
  World& world = network_.world();
  while (!waiting_.empty() && flight_bytes_ < cable_.plan.window) {
    std::string frame = std::move(waiting_.front());
    waiting_.pop_front();
    if (std::exchange(duplicate_next_, false)) launch(frame, true, false);
    bool corrupted = false;
    if (std::exchange(corrupt_next_, false)) {
      const std::uint64_t bit = world.random.below(frame.size() * 8);
      frame[bit / 8] = static_cast<char>(frame[bit / 8] ^ (1 << (bit % 8)));
      corrupted = true;
    }
    launch(std::move(frame), false, corrupted);
  }
  if (waiting_.empty()) {
    blocked_since_.reset();
    if (finishing_ && !ended_) launch_end("the peer closed the connection");
  } else if (!blocked_since_) {
    world.happened(Fault::kSlowPeer);
    blocked_since_ = world.now();
  }
}

void Pipe::launch(std::string frame, bool duplicate, bool corrupted) {
  World& world = network_.world();
  const LinkPlan& link = cable_.plan;
  const bool slow = cable_.slow_until > world.now();
  const std::uint64_t rate = slow ? kSlowBytesPerSecond : link.bytes_per_s;
  std::size_t pieces = 1;
  if (link.sliced > 0 && world.random.chance(link.sliced)) {
    pieces = world.random.between(2, kMaxPieces);
  }
  for (std::size_t i = 0, begin = 0; i < pieces && begin < frame.size(); ++i) {
    const std::size_t left = frame.size() - begin;
    const bool last = i + 1 == pieces || left == 1;
    const std::size_t size = last ? left : world.random.between(1, left - 1);
    Piece piece;
    piece.bytes = pieces == 1 ? std::move(frame) : frame.substr(begin, size);
    piece.sent = world.now();
    free_at_ = std::max(free_at_, world.now()) + microseconds(size * 1'000'000 / rate);
    const Duration jitter = world.random.time(Duration::zero(), link.jitter);
    piece.arrives = last_arrival_ = std::max(last_arrival_, free_at_ + link.delay + jitter);
    piece.number = network_.next_number();
    piece.first = begin == 0;
    piece.last = last;
    piece.slow = slow && free_at_ - world.now() >= kLongWait;
    piece.duplicate = duplicate;
    piece.corrupted = corrupted;
    flight_bytes_ += size;
    flight_.push_back(std::move(piece));
    begin += size;
    if (last) break;
  }
  arm();
}

void Pipe::launch_end(std::string why) {
  ended_ = true;
  Piece piece;
  piece.bytes = std::move(why);
  piece.sent = network_.world().now();
  piece.arrives = std::max(last_arrival_, network_.world().now() + cable_.plan.delay);
  piece.end = true;
  flight_.push_back(std::move(piece));
  arm();
}

// ---- off the wire -----------------------------------------------------------------------------

void Pipe::arm() {
  if (flight_.empty() || stalled_until_ == TimePoint::max()) return alarm_.set(std::nullopt);
  alarm_.set(std::max(flight_.front().arrives, stalled_until_));
}

void Pipe::deliver() {
  const TimePoint now = network_.world().now();
  while (!flight_.empty() && flight_.front().arrives <= now && stalled_until_ <= now) {
    const Piece piece = std::move(flight_.front());
    flight_.pop_front();
    if (!piece.end) flight_bytes_ -= piece.bytes.size();
    hand_over(piece);
  }
  advance();
  arm();
}

void Pipe::hand_over(const Piece& piece) {
  Endpoint* const reader = reader_;
  if (reader == nullptr) return;
  if (piece.end) return reader->on_end(piece.bytes);
  count(piece);
  reader->on_bytes(piece.bytes);
  if (piece.corrupted && piece.last && !reader->session_over()) {
    network_.world().violate("a damaged frame was taken for good on the connection of worker w" +
                             std::to_string(cable_.worker));
  }
}

void Pipe::count(const Piece& piece) {
  World& world = network_.world();
  if (!piece.last || !piece.first) world.happened(Fault::kPartialWrite);
  if (cable_.plan.delay >= kLongDelay) world.happened(Fault::kDelay);
  if (piece.slow) world.happened(Fault::kSlowPeer);
  if (world.now() - piece.arrives >= kLongWait) world.happened(Fault::kStalledPeer);
  if (piece.duplicate && piece.last) world.happened(Fault::kDuplicatedFrame);
  if (piece.corrupted && piece.last) world.happened(Fault::kCorruptedFrame);
  std::uint64_t& newest = network_.newest_arrived(direction_);
  if (piece.number < newest) world.happened(Fault::kReordering);  // order holds within a pipe
  newest = std::max(newest, piece.number);
}

// ---- connections ------------------------------------------------------------------------------

void Connection::cut() {
  to_worker.cut();
  to_manager.cut();
}

void Connection::black_hole() {
  to_worker.stall(TimePoint::max());
  to_manager.stall(TimePoint::max());
}

void Network::connect(Cable& cable, std::function<void(Connection*)> done) {
  world_.loop.after(cable.plan.delay * 2, [this, &cable, done = std::move(done)] {
    if (!cable.refused) {
      auto connection = std::make_unique<Connection>(*this, cable);
      if (Endpoint* manager = accept_(*connection)) {
        connection->to_manager.set_reader(manager);
        connections_.push_back(std::move(connection));
        return done(connections_.back().get());
      }
    }
    world_.happened(Fault::kRefusedConnect);
    done(nullptr);
  });
}

}  // namespace imgrec::simulation
