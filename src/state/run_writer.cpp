#include "state/run_writer.h"

namespace millrace::state {

Status RunWriter::add(const Entry& entry) {
  writer_.add(entry);
  return writer_.has_closed() ? emit_closed(writer_.take_closed()) : Status();
}

Status RunWriter::add_block(std::string block) {
  run_.entries += filter_.add_block(block);
  run_.bytes += block.size();
  return emit_(static_cast<uint32_t>(run_.blocks++), std::move(block));
}

Status RunWriter::emit_closed(std::vector<std::string> blocks) {
  for (std::string& block : blocks) MR_TRY(add_block(std::move(block)));
  return {};
}

Result<Run> RunWriter::finish() {
  MR_TRY(emit_closed(writer_.finish()));
  if (run_.blocks > 0) run_.filter = std::make_shared<const RunFilter>(filter_.finish());
  return std::move(run_);
}

}  // namespace millrace::state
