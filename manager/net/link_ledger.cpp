#include "manager/net/link_ledger.h"

#include <utility>

namespace imgrec::manager {
namespace {

constexpr std::chrono::seconds kShort{10};
constexpr std::chrono::seconds kLong{60};

}  // namespace

void LinkLedger::read(WorkerId worker, net::TcpFigures figures, TimePoint now) {
  Link& link = links_.try_emplace(worker, now).first->second;
  if (figures.counters) {
    const auto before = link.figures.counters.value_or(net::TcpCounters{});
    const auto more = net::traffic_between(before, *figures.counters);
    link.traffic += more;
    traffic_ += more;
  }
  link.figures = std::move(figures);
}

void LinkLedger::on_second(TimePoint now) {
  for (auto& [worker, link] : links_) link.meter.sample(link.traffic, now);
  meter_.sample(traffic_, now);
}

std::optional<LinkFigures> LinkLedger::link(WorkerId worker) const {
  const auto found = links_.find(worker);
  if (found == links_.end()) return std::nullopt;
  const Link& link = found->second;
  LinkFigures figures{.tcp = link.figures, .wire = std::nullopt};
  if (link.figures.counters) {
    figures.wire = {link.traffic, link.meter.over(kShort), link.meter.over(kLong)};
  }
  return figures;
}

WireFigures LinkLedger::all() const {
  return {traffic_, meter_.over(kShort), meter_.over(kLong), meter_.overall()};
}

}  // namespace imgrec::manager
