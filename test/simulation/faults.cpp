#include "simulation/faults.h"

#include <fmt/format.h>

#include <cerrno>
#include <vector>

namespace millrace::simulation {

std::string Faults::begin(Destination& destination) {
  end();
  actions_left_ = static_cast<int>(1 + random_() % 6);
  const uint64_t kind = random_() % 16;
  if (kind < 6) return begin_death();
  if (kind < 9) return last_ = fail_files();
  if (kind < 11) return last_ = fill_disk();
  if (kind < 12) return last_ = slow_disk();
  if (kind < 13) return last_ = jump_clock();
  return last_ = harm(destination);
}

std::string Faults::begin_death() {
  actions_left_ = static_cast<int>(1 + random_() % 8);
  return last_ = random_() % 3 == 0 ? die_at_a_failpoint() : die_at_a_change();
}

std::string Faults::die_at_a_change() {
  static constexpr std::pair<const char*, Survival> kKinds[] = {{"power cut, as the disk likes", Survival::kSeeded},
                                                                {"power cut, as the disk likes", Survival::kSeeded},
                                                                {"power cut, synced data only", Survival::kNothing},
                                                                {"kill", Survival::kEverything}};
  const auto& [name, survival] = kKinds[random_() % 4];
  const uint64_t changes = random_() % 4 == 0 ? random_() % 400 : random_() % 60;
  env_.files().power_cut_after(changes, survival);
  return fmt::format("{} after {} changes of the disk", name, changes);
}

std::string Faults::die_at_a_failpoint() {
  std::vector<std::string> names;
  for (const FailPoint* point : env_.failpoints().points()) {
    if (point->name().starts_with("ledger.") || point->name().starts_with("files.")) continue;  // of rows, or too many
    names.push_back(point->name());
  }
  const std::string& name = names[random_() % names.size()];
  FailRule rule;
  rule.action = FailAction::kAbort;
  rule.after = random_() % 6;
  rule.times = 1;
  env_.failpoints().set(name, rule);
  return fmt::format("kill at {} after {} hits", name, rule.after);
}

std::string Faults::fail_files() {
  static constexpr std::pair<FileOperation, const char*> kOperations[] = {
      {FileOperation::kSync, "sync"},         {FileOperation::kSync, "sync"},
      {FileOperation::kAppend, "append"},     {FileOperation::kAppend, "append"},
      {FileOperation::kRename, "rename"},     {FileOperation::kSyncDirectory, "sync of a directory"},
      {FileOperation::kOpen, "open"},         {FileOperation::kRead, "read"},
      {FileOperation::kTruncate, "truncate"}, {FileOperation::kRemove, "remove"}};
  static constexpr const char* kPlaces[] = {"", "/log/", "/state/", "/out/"};
  const auto& [operation, name] = kOperations[random_() % 10];
  FileFault fault;
  fault.operation = operation;
  fault.path_part = kPlaces[random_() % 4];
  fault.errno_value = operation != FileOperation::kSync && random_() % 3 == 0 ? ENOSPC : EIO;
  fault.after = random_() % 20;
  fault.times = random_() % 5;
  env_.files().inject(fault);
  return fmt::format("{} fails {} times after {}, in {}", name, fault.times, fault.after, fault.path_part);
}

std::string Faults::fill_disk() {
  const uint64_t room = random_() % 3 == 0 ? random_() % 200 : random_() % 40000;
  env_.files().set_capacity(env_.files().used_bytes() + room);
  return fmt::format("disk full in {} bytes", room);
}

std::string Faults::slow_disk() {
  FailRule rule;
  rule.action = FailAction::kDelay;
  rule.delay = Duration::from_millis(static_cast<int64_t>(200 + random_() % 30000));
  env_.failpoints().set("files.sync", rule);
  return fmt::format("a sync takes {} ms", rule.delay.micros / 1000);
}

std::string Faults::jump_clock() {
  static constexpr int64_t kSeconds[] = {3600, -3600, 365 * 86400, 60, -1};
  const int64_t seconds = kSeconds[random_() % 5];
  env_.clock().jump_wall(Duration::from_seconds(seconds));
  return fmt::format("clock jumps {} s", seconds);
}

std::string Faults::harm(Destination& destination) {
  destination_ = &destination;
  const uint64_t kind = random_() % 3;
  if (kind == 0) {
    destination.down = true;
    actions_left_ = static_cast<int>(5 + random_() % 40);
    return "destination down";
  }
  destination.next_commit = kind == 1 ? Destination::Commit::kFails : Destination::Commit::kFailsAfterwards;
  return kind == 1 ? "destination refuses a commit" : "destination commits and does not say so";
}

bool Faults::pass() {
  if (actions_left_ == 0 || --actions_left_ > 0) return false;
  end();
  return true;
}

void Faults::end() {
  actions_left_ = 0;
  env_.files().clear_faults();
  env_.files().set_capacity(uint64_t{1} << 40);
  env_.files().power_cut_after(UINT64_MAX / 2);
  for (const FailPoint* point : env_.failpoints().points()) {
    if (!point->name().starts_with("ledger.")) env_.failpoints().set(point->name(), {});  // planted ones stay
  }
  if (destination_) destination_->down = false;
}

}  // namespace millrace::simulation
