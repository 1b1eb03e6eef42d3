#include "connectors/playback/titles.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace millrace::connectors::playback {
namespace {

constexpr int kRuntimeDigits = 4;
constexpr int kRuntimeDigitsMax = 9;

int64_t power_of_ten(int digits) {
  int64_t power = 1;
  for (int i = 0; i < digits; ++i) power *= 10;
  return power;
}

/// Splits RFC 4180 text into records; quotes may hold commas and line ends.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : text_(text) {}

  /// False at the end. `line` is where the record began.
  bool next(std::vector<std::string>& fields, int& line) {
    fields.clear();
    if (at_ == text_.size()) return false;
    line = line_;
    do {
      fields.emplace_back();
      read_field(fields.back());
    } while (take(','));
    take('\r');
    if (take('\n')) ++line_;
    return true;
  }

 private:
  bool take(char wanted) {
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  void read_field(std::string& out) {
    if (!take('"')) {
      const size_t end = std::min(text_.find_first_of(",\r\n", at_), text_.size());
      out.assign(text_.substr(at_, end - at_));
      at_ = end;
      return;
    }
    while (at_ < text_.size()) {
      const char next = text_[at_++];
      if (next == '"' && !take('"')) return;
      if (next == '\n') ++line_;
      out.push_back(next);
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
};

bool parse_integer(std::string_view text, int64_t& out) {
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out);
  return code == std::errc() && end == text.data() + text.size() && !text.empty();
}

Error line_error(int line, std::string_view what, std::string_view value) {
  return user_error(sqlstate::kInvalidText, "titles file, line " + std::to_string(line) + ": " + std::string(what) +
                                                ": '" + std::string(value) + "'");
}

/// hours / views with as few decimals as give the views back, at least four.
bool effective_runtime(int64_t hours, int64_t views, Runtime& out) {
  for (int digits = kRuntimeDigits; digits <= kRuntimeDigitsMax; ++digits) {
    const int64_t scaled = hours / kPublishedStep * power_of_ten(digits);
    const int64_t unit = views / kPublishedStep;
    out = Runtime{(2 * scaled + unit) / (2 * unit), digits};
    if (out.mantissa > 0 && published_views(hours, out.hours()) == views) return true;
  }
  return false;
}

constexpr std::array<std::string_view, 7> kColumns = {
    "kind", "title", "available_globally", "release_date", "runtime", "hours_viewed", "views"};

Result<std::array<size_t, kColumns.size()>> find_columns(const std::vector<std::string>& header) {
  std::array<size_t, kColumns.size()> places{};
  for (size_t column = 0; column < kColumns.size(); ++column) {
    size_t place = 0;
    while (place < header.size() && header[place] != kColumns[column]) ++place;
    if (place == header.size()) return line_error(1, "the header lacks a column", kColumns[column]);
    places[column] = place;
  }
  return places;
}

Result<Title> make_title(std::array<std::string, kColumns.size()> fields, int line) {
  Title title;
  title.kind = std::move(fields[0]);
  title.title = std::move(fields[1]);
  title.available_globally = std::move(fields[2]);
  title.release_date = std::move(fields[3]);
  title.runtime_label = std::move(fields[4]);
  if (!title.release_date.empty() && !parse_date(title.release_date, title.release_ms))
    return line_error(line, "release_date is not YYYY-MM-DD", title.release_date);
  if (!parse_integer(fields[5], title.hours_viewed) || title.hours_viewed < kPublishedStep ||
      title.hours_viewed % kPublishedStep != 0)
    return line_error(line, "hours_viewed is not a positive multiple of 100000", fields[5]);
  if (!parse_integer(fields[6], title.views) || title.views < kPublishedStep || title.views % kPublishedStep != 0)
    return line_error(line, "views is not a positive multiple of 100000", fields[6]);
  if (parse_runtime(title.runtime_label, title.runtime) &&
      published_views(title.hours_viewed, title.runtime.hours()) == title.views)
    return title;
  title.effective_runtime = true;
  if (!effective_runtime(title.hours_viewed, title.views, title.runtime))
    return line_error(line, "no running time gives these views", fields[6]);
  return title;
}

}  // namespace

double Runtime::hours() const { return static_cast<double>(mantissa) / static_cast<double>(power_of_ten(digits)); }

int64_t Runtime::millis() const {
  const int64_t power = power_of_ten(digits);
  return mantissa / power * 3'600'000 + mantissa % power * 3'600'000 / power;
}

std::string Runtime::text() const {
  const int64_t power = power_of_ten(digits);
  char fraction[32];
  std::snprintf(fraction, sizeof fraction, "%0*lld", digits, static_cast<long long>(mantissa % power));
  std::string text = fraction;
  while (text.size() > 1 && text.back() == '0') text.pop_back();
  return std::to_string(mantissa / power) + "." + text;
}

int64_t published_views(int64_t hours_viewed, double runtime_hours) {
  return static_cast<int64_t>(std::floor(static_cast<double>(hours_viewed) / runtime_hours / 100000.0 + 0.5)) * 100'000;
}

bool parse_runtime(std::string_view label, Runtime& out) {
  if (label.ends_with('*')) label.remove_suffix(1);
  const size_t colon = label.find(':');
  if (colon == std::string_view::npos || label.size() != colon + 3) return false;
  int64_t hours = 0;
  int64_t minutes = 0;
  if (!parse_integer(label.substr(0, colon), hours) || !parse_integer(label.substr(colon + 1), minutes)) return false;
  if (hours < 0 || hours > 100'000 || minutes < 0 || minutes > 59 || hours + minutes == 0) return false;
  out = Runtime{((hours * 60 + minutes) * 500 + 1) / 3, kRuntimeDigits};  // minutes / 60, rounded; thirds never tie
  return true;
}

bool parse_date(std::string_view text, int64_t& out_ms) {
  int64_t year = 0;
  int64_t month = 0;
  int64_t day = 0;
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  if (!parse_integer(text.substr(0, 4), year) || !parse_integer(text.substr(5, 2), month) ||
      !parse_integer(text.substr(8, 2), day))
    return false;
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > 31) return false;
  // Days from civil (H. Hinnant): years begin in March, so that the leap day is the last one.
  const int64_t shifted = month <= 2 ? year - 1 : year;
  const int64_t era = shifted / 400;
  const int64_t year_of_era = shifted - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  out_ms = (era * 146'097 + day_of_era - 719'468) * 86'400'000;
  return true;
}

Result<std::vector<Title>> read_titles(std::string_view csv) {
  if (csv.starts_with("\xEF\xBB\xBF")) csv.remove_prefix(3);
  CsvReader reader(csv);
  std::vector<std::string> record;
  int line = 0;
  if (!reader.next(record, line))
    return user_error(sqlstate::kInvalidText, "the titles file is empty")
        .with_hint("its first line is kind,title,available_globally,release_date,runtime,hours_viewed,views");
  MR_ASSIGN(const auto places, find_columns(record));
  const size_t width = record.size();
  std::vector<Title> titles;
  while (reader.next(record, line)) {
    if (record.size() == 1 && record[0].empty()) continue;
    if (record.size() != width)
      return line_error(line, "number of fields differs from the header", std::to_string(record.size()));
    std::array<std::string, kColumns.size()> fields;
    for (size_t column = 0; column < kColumns.size(); ++column) fields[column] = record[places[column]];
    MR_ASSIGN(Title title, make_title(std::move(fields), line));
    titles.push_back(std::move(title));
  }
  if (titles.empty()) return user_error(sqlstate::kInvalidText, "the titles file has a header and no title");
  return titles;
}

}  // namespace millrace::connectors::playback
