#include "client/core/classify_core.h"

#include <algorithm>
#include <utility>

#include "client/core/pace.h"

namespace imgrec::client {
ClassifyCore::ClassifyCore(ClassifyOptions options)
    : options_(std::move(options)), sweep_period_(kPollFirst) {}

std::vector<Action> ClassifyCore::on_event(Event event, TimePoint now) {
  actions_.clear();
  if (!ended_) {
    std::visit([&](auto&& e) { handle(std::move(e), now); }, std::move(event));
  }
  if (!ended_) advance(now);
  return std::exchange(actions_, {});
}

std::optional<TimePoint> ClassifyCore::next_deadline() const {
  if (ended_) return std::nullopt;
  TimePoint next = stopping() ? *stop_by_ : give_up_at();
  const auto sooner = [&](TimePoint at) { next = std::min(next, at); };
  if (paused_until_) sooner(*paused_until_);
  if (stopping()) return next;
  if (socket_ == Socket::kClosed) sooner(socket_at_);
  if (!sweep_ && !by_id_.empty()) {
    sooner(paused_until_ ? std::max(sweep_at_, *paused_until_) : sweep_at_);
  }
  return next;
}

Progress ClassifyCore::progress() const {
  Progress progress{options_.files, recognised_, failed_, by_id_.size(), not_deleted_, bytes_sent_};
  if (paused_until_ && busy_) {
    progress.connection = Connection::kBusy;
  } else if (!heard_ever_) {
    progress.connection = Connection::kConnecting;
  } else {
    progress.connection = last_failure_.empty() ? Connection::kOnline : Connection::kLost;
  }
  return progress;
}

// ---- uploads ----------------------------------------------------------------------------------

void ClassifyCore::handle(Started&&, TimePoint now) { progress_at_ = socket_at_ = sweep_at_ = now; }

void ClassifyCore::handle(UploadProgressed&& event, TimePoint now) {
  const auto file = files_.find(event.file);
  if (file == files_.end() || event.sent <= file->second.furthest) return;
  bytes_sent_ += event.sent - file->second.furthest;
  file->second.furthest = event.sent;
  progressed(now);
}

void ClassifyCore::handle(UploadEnded&& event, TimePoint now) {
  const auto file = files_.find(event.file);
  if (file == files_.end() || file->second.stage != Stage::kSending) return;
  --sending_;
  if (auto* image = std::get_if<ServerImage>(&event.answer)) {
    accepted(file, std::move(*image), now);
  } else {
    not_accepted(file, std::move(std::get<Failure>(event.answer)), now);
  }
  if (sending_ == 0 && again_.empty()) early_.clear();
}

void ClassifyCore::accepted(Files::iterator file, ServerImage image, TimePoint now) {
  heard(now);
  progressed(now);
  const ImageId id = image.id;
  if (by_id_.empty()) {  // of what was just accepted there is no news to be read
    sweep_at_ =
        std::max(sweep_at_, now + (socket_ == Socket::kOpen ? kPollBesideSocket : kPollFirst));
  }
  if (!by_id_.emplace(id, file->first).second) {
    settle(file, OutcomeKind::kRejected, "bad_answer",
           "the server gave this file the id of another one", now);
    return;
  }
  file->second.id = id;
  file->second.stage = Stage::kOpen;
  // Its result may have been told while nobody knew that the image was ours.
  if (file->second.sent_before) sweep_at_ = std::min(sweep_at_, now + kPollFirst);
  if (stopping()) deletions_.push_back(id);
  const auto early = early_.find(id);
  if (image.settled()) {
    learn(file, std::move(image), /*complete=*/true, now);
  } else if (early != early_.end()) {
    learn(file, std::move(early->second), /*complete=*/false, now);
  }
  early_.erase(id);
}

void ClassifyCore::not_accepted(Files::iterator file, Failure failure, TimePoint now) {
  File& state = file->second;
  const bool final = failure.kind == FailureKind::kRejected || failure.kind == FailureKind::kGone ||
                     failure.kind == FailureKind::kLocal;
  if (final) {
    if (failure.kind != FailureKind::kLocal) heard(now);
    return settle(file, OutcomeKind::kRejected, std::move(failure.code), std::move(failure.detail),
                  now);
  }
  const bool lost = failure.kind == FailureKind::kNetwork;
  const bool counts = lost ? socket_ == Socket::kOpen || (heard_ever_ && heard_at_ >= state.begun)
                           : failure.kind == FailureKind::kServer;
  state.sent_before = true;
  if (counts && ++state.tries >= kMaxTries) {
    return settle(file, OutcomeKind::kRejected, lost ? "not_sent" : std::move(failure.code),
                  std::to_string(kMaxTries) + " tries failed, the last so: " + failure.detail, now);
  }
  if (failure.kind == FailureKind::kBusy) accept_limit();
  state.stage = Stage::kWaiting;
  again_.insert(file->first);
  (void)pause(failure, state.tries, now);
}

// ---- the socket -------------------------------------------------------------------------------

void ClassifyCore::handle(SocketOpened&& event, TimePoint now) {
  heard(now);
  socket_ = Socket::kOpen;
  socket_failures_ = 0;
  if (!busy_) paused_until_.reset();
  // Of a session that others use too, only what comes from now on is awaited. And a number below
  // those that we saw means other data than before: nothing above it was told yet.
  const bool joins = !greeted_ && !options_.own_session;
  if (joins || event.seq < seq_) seq_ = event.seq;
  greeted_ = true;
  sweep_again_ = sweep_.has_value();
  sweep_at_ = now;
}

void ClassifyCore::handle(SocketResult&& event, TimePoint now) {
  heard(now);
  seq_ = std::max(seq_, event.seq);
  const ImageId id = event.image.id;
  const auto file = open_file(id);
  if (file != files_.end()) {
    learn(file, std::move(event.image), /*complete=*/false, now);
  } else if ((sending_ > 0 || !again_.empty()) && early_.size() < kMaxEarly) {
    early_.insert_or_assign(id, std::move(event.image));
  }
}

void ClassifyCore::handle(SocketHint&& event, TimePoint now) {
  heard(now);
  if (by_id_.contains(event.id)) progressed(now);
}

void ClassifyCore::handle(SocketDeleted&& event, TimePoint now) {
  heard(now);
  forget(event.id, "deleted", "somebody deleted it at the server before its result was there", now);
}

void ClassifyCore::handle(SocketLost&& event, TimePoint now) {
  socket_ = Socket::kClosed;
  sweep_period_ = kPollFirst;
  sweep_at_ = std::min(sweep_at_, now + kPollFirst);
  if (event.why.kind == FailureKind::kRefused) return end(Ending::kRefused, event.why.detail);
  if (event.why.kind == FailureKind::kNetwork) {
    last_failure_ = event.why.detail;
  } else {
    heard(now);
  }
  socket_at_ = now + event.why.retry_after.value_or(backoff(socket_failures_++));
}

// ---- REST -------------------------------------------------------------------------------------

void ClassifyCore::handle(PageRead&& event, TimePoint now) {
  if (!sweep_) return;
  if (auto* page = std::get_if<ImagePage>(&event.answer)) {
    heard(now);
    page_came(std::move(*page), now);
    return;
  }
  sweep_.reset();
  sweep_at_ = now + kPollFirst;
  (void)pause(std::get<Failure>(event.answer), 0, now);
}

void ClassifyCore::page_came(ImagePage page, TimePoint now) {
  for (ServerImage& image : page.images) {
    sweep_->missing.erase(image.id);
    const auto file = open_file(image.id);
    if (file != files_.end()) learn(file, std::move(image), /*complete=*/true, now);
  }
  std::erase_if(sweep_->missing, [&](const ImageId& id) { return !by_id_.contains(id); });
  ++sweep_->pages;
  const bool last = page.next.empty();
  if (!last && !sweep_->missing.empty() && sweep_->pages < kMaxPages) {
    actions_.push_back(ReadPage{std::move(page.next)});
    return;
  }
  const std::set<ImageId> missing = std::move(sweep_->missing);
  sweep_.reset();
  if (last) {
    for (const ImageId& id : missing) {
      forget(id, "gone", "the server no longer has this image", now);
    }
  }
  sweep_at_ = now + (socket_ == Socket::kOpen ? kPollBesideSocket : sweep_period_);
  sweep_period_ = std::min(kPollLongest, sweep_period_ * 3 / 2);
  if (std::exchange(sweep_again_, false)) sweep_at_ = now;
}

void ClassifyCore::handle(ImageRead&& event, TimePoint now) {
  --reading_;
  const auto file = open_file(event.id);
  if (auto* failure = std::get_if<Failure>(&event.answer)) {
    if (file == files_.end()) return;
    if (failure->kind == FailureKind::kGone || failure->kind == FailureKind::kRejected) {
      // What the socket told is better than nothing.
      return settle(file, OutcomeKind::kRecognised, {}, {}, now);
    }
    reads_.push_back(event.id);
    (void)pause(*failure, 0, now);
    return;
  }
  heard(now);
  if (file == files_.end()) return;
  learn(file, std::move(std::get<ServerImage>(event.answer)), /*complete=*/true, now);
}

void ClassifyCore::handle(DeleteEnded&& event, TimePoint now) {
  --deletions_under_way_;
  const bool gone = !event.failure || event.failure->kind == FailureKind::kGone;
  if (gone) {
    heard(now);
    progressed(now);
    deleting_.erase(event.id);
    return;
  }
  const bool may_pass = event.failure->kind == FailureKind::kNetwork ||
                        event.failure->kind == FailureKind::kBusy ||
                        event.failure->kind == FailureKind::kServer;
  const unsigned tries = ++deleting_[event.id];
  if (may_pass && tries < kMaxTries) {
    deletions_.push_back(event.id);
    (void)pause(*event.failure, tries, now);
    return;
  }
  deleting_.erase(event.id);
  ++not_deleted_;
  actions_.push_back(TellNotDeleted{event.id, event.failure->detail});
}

// ---- what becomes of a file -------------------------------------------------------------------

void ClassifyCore::learn(Files::iterator file, ServerImage image, bool complete, TimePoint now) {
  if (!image.settled()) return;
  if (image.state == ImageState::kFailed) {
    std::string code = image.error_code;
    std::string detail = image.error_detail;
    file->second.outcome.image = std::move(image);
    return settle(file, OutcomeKind::kFailed, std::move(code), std::move(detail), now);
  }
  const bool wants_more =
      !complete && options_.top > kSocketTop && image.top.size() >= kSocketTop && !stopping();
  if (wants_more && file->second.stage == Stage::kReading) return;
  if (wants_more) reads_.push_back(image.id);
  file->second.outcome.image = std::move(image);
  if (wants_more) {
    file->second.stage = Stage::kReading;
    progressed(now);
    return;
  }
  settle(file, OutcomeKind::kRecognised, {}, {}, now);
}

void ClassifyCore::settle(Files::iterator file, OutcomeKind kind, std::string code,
                          std::string detail, TimePoint now) {
  File& state = file->second;
  if (!state.id.empty()) by_id_.erase(state.id);
  if (state.outcome.image) {
    auto& top = state.outcome.image->top;
    if (top.size() > options_.top) top.resize(options_.top);
    if (options_.remove_after && !stopping()) deletions_.push_back(state.id);
  }
  ++(kind == OutcomeKind::kRecognised ? recognised_ : failed_);
  state.stage = Stage::kSettled;
  state.outcome.file = file->first;
  state.outcome.kind = kind;
  state.outcome.code = std::move(code);
  state.outcome.detail = std::move(detail);
  sweep_period_ = kPollFirst;
  if (state.outcome.image) outgrow_limit();
  progressed(now);
}

void ClassifyCore::accept_limit() {
  most_open_ = std::max<std::size_t>(1, by_id_.size());
  settled_at_limit_ = 0;
}

void ClassifyCore::outgrow_limit() {
  if (!most_open_ || ++settled_at_limit_ < *most_open_) return;
  ++*most_open_;
  settled_at_limit_ = 0;
}

void ClassifyCore::forget(const ImageId& id, const std::string& code, const std::string& detail,
                          TimePoint now) {
  const auto file = open_file(id);
  if (file == files_.end() || stopping()) return;
  if (file->second.stage == Stage::kReading) {
    return settle(file, OutcomeKind::kRecognised, {}, {}, now);  // its result is known
  }
  settle(file, OutcomeKind::kFailed, code, detail, now);
}

ClassifyCore::Files::iterator ClassifyCore::open_file(const ImageId& id) {
  const auto known = by_id_.find(id);
  return known == by_id_.end() ? files_.end() : files_.find(known->second);
}

}  // namespace imgrec::client
