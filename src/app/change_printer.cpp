#include "app/change_printer.h"

#include "app/console.h"
#include "app/json_text.h"
#include "app/remote.h"
#include "base/text.h"

namespace millrace::app {

Status ChangePrinter::print(std::string_view line) {
  streamed_ = true;
  if (line.empty()) return {};
  MR_ASSIGN(auto members, json_members(line));
  if (members.size() == 1 && members[0].first == "error") {
    HttpResponse failed;
    failed.body = line;
    return error_of(failed);
  }
  Answer change;
  for (const auto& [name, value] : members) {
    change.columns.push_back({name, {}});
    (change.rows.empty() ? change.rows.emplace_back() : change.rows.front()).emplace_back(value);
  }
  std::string text;
  if (format_ == Format::kJson) {
    text = std::string(line) + "\n";
  } else if (format_ == Format::kCsv) {
    text = format_answer(change, Format::kCsv, 0);
    if (lines_ > 0) text.erase(0, text.find('\n') + 1);
  } else {
    for (const auto& [name, value] : members) {
      text += (text.empty() ? "" : "  ") + name + "=" + plain_text(value).value_or("NULL");
    }
    text += "\n";
  }
  ++lines_;
  return write_output(text);
}

}  // namespace millrace::app
