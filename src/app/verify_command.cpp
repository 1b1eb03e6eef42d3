#include "app/verify_command.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/command_line.h"
#include "app/console.h"
#include "engine/verify.h"

namespace millrace::app {
namespace {

std::string text_of(const Damage& damage) {
  if (damage.end == 0) return fmt::format("{}: {}\n", damage.path, damage.what);
  return fmt::format("{}: bytes {} to {}: {}\n", damage.path, damage.first, damage.end, damage.what);
}

const char* repair_text(Repair repair) {
  switch (repair) {
    case Repair::kRemoveFile: return "  repair: remove the file; it is made again\n";
    case Repair::kCutTail: return "  repair: cut the file there; no commit and no index says that it was acked\n";
    case Repair::kReplay: return "  repair: note that it is behind; the next start runs the commits since then again\n";
    case Repair::kDropState: return "  repair: drop the state; the next start computes it again from the log\n";
    case Repair::kNone: break;
  }
  return "  no safe repair: restore the file from a copy or a savepoint\n";
}

std::string text_of(const engine::VerifyReport& report, const VerifyFlags& flags) {
  std::string out;
  for (const Damage& damage : report.repaired) out += "repaired: " + text_of(damage);
  for (const Damage& damage : report.damages) out += "damaged: " + text_of(damage) + repair_text(damage.repair);
  const bool repairable = std::any_of(report.damages.begin(), report.damages.end(),
                                      [](const Damage& damage) { return damage.repair != Repair::kNone; });
  if (repairable) out += "to repair what can be: millrace verify --data " + flags.data + " --repair\n";
  if (report.damages.empty()) {
    out += fmt::format("sound: {} bytes of log, {} blocks of state, {} commits\n", report.log_bytes,
                       report.state_blocks, report.last_commit.value);
  }
  return out;
}

}  // namespace

int run_verify(Env& env, const VerifyFlags& flags) {
  const Result<engine::VerifyReport> report = engine::verify_directory(env, flags.data, flags.repair);
  if (!report.ok()) return report_failure(report.error());
  const Status printed = write_output(text_of(*report, flags));
  if (!printed.ok()) return report_failure(printed.error());
  return report->damages.empty() ? kExitDone : kExitFailed;
}

}  // namespace millrace::app
