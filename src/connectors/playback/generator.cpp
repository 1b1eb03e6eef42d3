#include "connectors/playback/generator.h"

#include <utility>
#include <vector>

#include "connectors/playback/event_order.h"
#include "connectors/playback/manifest.h"
#include "connectors/playback/rows.h"
#include "connectors/playback/sha256.h"
#include "connectors/playback/titles.h"
#include "connectors/playback/truth.h"

namespace millrace::connectors::playback {
namespace {

constexpr int64_t kDayMs = 86'400'000;
constexpr size_t kChunkBytes = 1u << 20;
constexpr int64_t kUnitMsMin = 10;
constexpr int64_t kUnitMsMax = 360'000'000'000;  // an hour of play for a published hour
constexpr int64_t kWindowMsMax = 3'660 * kDayMs;
constexpr uint32_t kCountMax = 1'000'000;

Status check_options(const Options& options) {
  if (options.unit_ms < kUnitMsMin || options.unit_ms > kUnitMsMax)
    return user_error(sqlstate::kInvalidParameter, "unit_ms is out of range: " + std::to_string(options.unit_ms))
        .with_hint("10 to 360000000000; 200000 makes about a million events of the 200 titles in examples/engagement");
  const int64_t length = options.window_end_ms - options.window_start_ms;
  if (options.window_start_ms < 0 || options.window_end_ms < 0 || length < kDayMs || length > kWindowMsMax)
    return user_error(sqlstate::kInvalidParameter,
                      "the window is out of range: " + std::to_string(options.window_start_ms) + " to " +
                          std::to_string(options.window_end_ms))
        .with_hint(
            "ms since 1970, UTC; one day to ten years long; the first half of 2025 is 1735689600000 to 1751328000000");
  if (options.decoy_titles > kCountMax || options.unknown_sessions > kCountMax || options.malformed_lines > kCountMax)
    return user_error(sqlstate::kInvalidParameter,
                      "decoys, unknown sessions and malformed lines are limited to 1000000 each");
  return {};
}

class EngagementGenerator final : public Generator {
 public:
  EngagementGenerator(Options options, std::vector<Title> titles)
      : options_(std::move(options)),
        titles_(std::move(titles)),
        rows_(make_rows(titles_, options_)),
        truth_(rows_.size(), Window{options_.window_start_ms, options_.window_end_ms}, options_.window_end_ms + kDayMs),
        order_(options_, rows_, count_sessions(), manifest_, truth_) {
    manifest_.decoy_titles = options_.decoy_titles;
    manifest_.titles = titles_.size() + options_.decoy_titles;
    manifest_.asof_ms = options_.window_end_ms + kDayMs;
    manifest_.rows = titles_.size();
    for (const Title& title : titles_) manifest_.effective_runtime_rows += title.effective_runtime;
  }

  Status next(std::string& out) override {
    out.clear();
    if (finished_) return {};
    order_.append_lines(kChunkBytes, out);
    manifest_.bytes += out.size();
    sha256_.add(out);
    if (out.empty()) finish();
    return {};
  }

  std::string catalogue() const override { return catalogue_ndjson(titles_, rows_); }
  const Manifest& manifest() const override { return manifest_; }
  std::string manifest_json() const override { return to_json(manifest_, options_); }
  std::string truth_csv() const override { return truth_.total_csv(rows_); }
  std::string truth_week_csv() const override { return truth_.week_csv(rows_); }
  std::string truth_asof_csv() const override { return truth_.asof_csv(rows_); }

 private:
  uint64_t count_sessions() const {
    uint64_t count = rows_.back().session_first - 1;
    RowSession session;
    for (RowSessions last(rows_.back(), options_.seed, rows_.size() - 1); last.next(session);) ++count;
    return count;
  }

  void finish() {
    finished_ = true;
    manifest_.sha256_events = sha256_.finish();
    manifest_.title_weeks = truth_.week_rows(rows_);
    for (size_t row = 0; row < rows_.size(); ++row) {
      MR_CHECK(rows_[row].role == Role::kUnknown || truth_.total_ms(row) == rows_[row].play_ms,
               "a title is credited what it was planned to be");
      manifest_.credited_ms_total += truth_.total_ms(row);
      manifest_.asof_ms_total += truth_.asof_ms(row);
    }
    MR_CHECK(manifest_.lines == manifest_.unique_events + manifest_.duplicates + manifest_.malformed,
             "every line is a first copy, a second copy or malformed");
  }

  const Options options_;
  const std::vector<Title> titles_;
  const std::vector<Row> rows_;
  Manifest manifest_;
  Truth truth_;
  EventOrder order_;
  Sha256 sha256_;
  bool finished_ = false;
};

}  // namespace

Result<std::unique_ptr<Generator>> Generator::create(Options options) {
  MR_TRY(check_options(options));
  MR_ASSIGN(std::vector<Title> titles, read_titles(options.titles_csv));
  options.titles_csv.clear();
  return std::unique_ptr<Generator>(std::make_unique<EngagementGenerator>(std::move(options), std::move(titles)));
}

Result<Manifest> generate(Options options, const Output& output) {
  MR_ASSIGN(std::unique_ptr<Generator> generator, Generator::create(std::move(options)));
  MR_TRY(output(Part::kCatalogue, generator->catalogue()));
  std::string chunk;
  for (;;) {
    MR_TRY(generator->next(chunk));
    if (chunk.empty()) break;
    MR_TRY(output(Part::kEvents, chunk));
  }
  MR_TRY(output(Part::kTruth, generator->truth_csv()));
  MR_TRY(output(Part::kTruthWeek, generator->truth_week_csv()));
  MR_TRY(output(Part::kTruthAsOf, generator->truth_asof_csv()));
  MR_TRY(output(Part::kManifest, generator->manifest_json()));
  return generator->manifest();
}

}  // namespace millrace::connectors::playback
