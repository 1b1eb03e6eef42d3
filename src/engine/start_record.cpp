#include "engine/start_record.h"

#include <algorithm>

#include "base/config.h"

namespace millrace::engine {

Result<StartRecord> StartRecord::read(Env& env, const std::string& directory) {
  StartRecord record(env, directory + "/STARTS");
  MR_ASSIGN(bool exists, env.files().exists(record.path_));
  if (!exists) return record;
  MR_ASSIGN(std::string text, env.files().read_all(record.path_));
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    std::string_view value = line.substr(space + 1);
    if (line.starts_with("reason ")) record.reason_ = value;
    auto number = parse_integer("starts", value, 0, INT64_MAX);
    if (!number.ok()) continue;
    if (line.starts_with("failed ")) record.failed_ = static_cast<uint64_t>(*number);
    if (line.starts_with("broken ")) record.broken_ = static_cast<uint64_t>(*number);
  }
  return record;
}

std::string StartRecord::safe_mode_reason() const {
  std::string way_out = "; mend the cause, remove " + path_ + " and start again";
  if (failed_ >= kFailedStartsMax) {
    return "the last " + std::to_string(failed_) + " starts failed, the last one with: " + reason_ + way_out;
  }
  if (broken_ >= kBrokenStartsMax) {
    return "the last " + std::to_string(broken_) + " starts ended without a word before the node was ready" + way_out;
  }
  return {};
}

Status StartRecord::write() {
  return env_->files().write_atomically(path_, "failed " + std::to_string(failed_) + "\nbroken " +
                                                   std::to_string(broken_) + "\nreason " + reason_ + "\n");
}

Status StartRecord::begin() {
  begun_ = true;
  ++broken_;
  return write();
}

Status StartRecord::remove() {
  Status removed = env_->files().remove(path_);
  if (!removed.ok() && removed.error().code != sqlstate::kUndefinedFile) return removed;
  return {};
}

Status StartRecord::fail(const Error& error) {
  if (counted_) return {};
  counted_ = true;
  if (begun_ && !ready_) --broken_;
  ++failed_;
  reason_ = error.message;
  std::replace(reason_.begin(), reason_.end(), '\n', ' ');
  return write();
}

Status StartRecord::ready() {
  if (!begun_) return {};
  ready_ = true;
  broken_ = 0;
  return failed_ == 0 ? remove() : write();
}

Status StartRecord::clear() {
  if (!begun_) return {};
  if (!ready_ || failed_ > 0) MR_TRY(remove());
  begun_ = ready_ = counted_ = false;
  failed_ = broken_ = 0;
  return {};
}

Status StartRecord::leave() { return counted_ ? Status() : clear(); }

}  // namespace millrace::engine
