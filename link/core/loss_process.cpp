#include "link/core/loss_process.h"

namespace imgrec::link {

void LossProcess::set(const DirectionSettings& settings) {
  const bool had_bursts = bursts_;
  bursts_ = settings.burst > 0 && settings.loss > 0;
  if (!bursts_) {
    loss_ = settings.loss;
    return;
  }
  // In balance a share `bad` of the packets meets the bad state, in which burst_loss of them are
  // lost.
  const double bad = settings.loss / settings.burst_loss;
  loss_ = settings.burst_loss;
  to_good_ = 1 / settings.burst;
  to_bad_ = to_good_ * bad / (1 - bad);
  if (!had_bursts) bad_ = random_.chance(bad);
}

bool LossProcess::next() {
  if (!bursts_) return loss_ > 0 && random_.chance(loss_);
  const bool lost = bad_ && random_.chance(loss_);
  if (random_.chance(bad_ ? to_good_ : to_bad_)) bad_ = !bad_;
  return lost;
}

}  // namespace imgrec::link
