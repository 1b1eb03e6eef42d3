#include "connectors/playback/generator.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "playback/playback_run.h"

namespace millrace::connectors::playback {
namespace {

TEST(Generator, EqualInputGivesEqualBytes) {
  const GeneratedRun first = run_generator(small_options(1));
  const GeneratedRun again = run_generator(small_options(1));
  EXPECT_EQ(first.events, again.events);
  EXPECT_EQ(first.manifest_json, again.manifest_json);
  // These are part of the contract: published seeds must give the same run in every version and on every machine.
  EXPECT_EQ(first.manifest.sha256_events, "1a5aac21d7eb9fcbcbf29da17abbeb68fbf0f0bb6fc0709f6a3dd93fdd4a4345");
  EXPECT_EQ(run_generator(small_options(7)).manifest.sha256_events,
            "c72be7f3c9610f78f6584119c732069fb58a28163e73b726cbeed24ef4bcbc2c");
}

TEST(Generator, MemoryForSessionsDoesNotChangeTheBytes) {
  const GeneratedRun whole = run_generator(small_options(3));
  for (const uint32_t sessions : {1u, 17u, 100u, 1000u}) {
    Options options = small_options(3);
    options.sessions_in_memory = sessions;
    const GeneratedRun sliced = run_generator(options);
    EXPECT_EQ(whole.events, sliced.events) << sessions;
    EXPECT_EQ(whole.manifest_json, sliced.manifest_json) << sessions;
    EXPECT_EQ(whole.truth_week, sliced.truth_week) << sessions;
  }
}

TEST(Generator, ChunksAreBounded) {
  const GeneratedRun run = run_generator(small_options(1, 1'500'000));
  EXPECT_GT(run.events.size(), 4u << 20);
  EXPECT_LE(run.chunk_bytes_max, (1u << 20) + 1024);
}

/// Counts of the lines, made without the generator's help.
struct Recount {
  uint64_t lines = 0, malformed = 0, duplicates = 0;
  std::map<std::string, std::map<int64_t, ReadEvent>> sessions;
};

Recount recount(const GeneratedRun& run) {
  Recount count;
  int64_t server_ts = 0;
  for (const std::string_view line : split_lines(run.events)) {
    ++count.lines;
    const auto event = read_event(line);
    if (!event) {
      ++count.malformed;
      continue;
    }
    EXPECT_LE(server_ts, event->server_ts) << "lines are in the order of server_ts";
    server_ts = event->server_ts;
    auto [place, is_new] = count.sessions[event->session_id].emplace(event->seq, *event);
    if (is_new) continue;
    ++count.duplicates;
    EXPECT_EQ(place->second.event_id, event->event_id);
    EXPECT_EQ(place->second.mono_ms, event->mono_ms);
    EXPECT_LT(place->second.server_ts, event->server_ts);
  }
  return count;
}

class Counters : public testing::TestWithParam<uint64_t> {};

TEST_P(Counters, EqualAnIndependentRecount) {
  const GeneratedRun run = run_generator(small_options(GetParam(), 200'000));
  const Manifest& manifest = run.manifest;
  const Recount count = recount(run);
  uint64_t unique = 0, previews = 0, unknown = 0, unknown_events = 0, no_start = 0, no_stop = 0, holes = 0, paused = 0;
  uint64_t bad_clocks = 0, late = 0, outside = 0;
  for (const auto& [id, events] : count.sessions) {
    const ReadEvent& first = events.begin()->second;
    const ReadEvent& last = events.rbegin()->second;
    unique += events.size();
    previews += first.play_kind == "preview";
    unknown += first.title_id[0] == 'x';
    unknown_events += first.title_id[0] == 'x' ? events.size() : 0;
    no_start += first.type != "start";
    no_stop += last.type != "stop";
    holes += static_cast<uint64_t>(last.seq - first.seq) + 1 - events.size();
    bool has_pause = false;
    for (const auto& [seq, event] : events) has_pause |= event.type == "pause";
    paused += has_pause;
    bad_clocks += std::abs(first.client_ts - first.session_epoch_ms - first.mono_ms) > 86'400'000;
    late += last.server_ts - last.session_epoch_ms - last.mono_ms >= 3'600'000;
    const bool before = first.session_epoch_ms < kHalfStartMs;
    outside += before || last.session_epoch_ms + last.mono_ms > kHalfEndMs;
    EXPECT_LE(last.server_ts - first.session_epoch_ms, 13 * 86'400'000LL);
  }
  EXPECT_EQ(manifest.lines, count.lines);
  EXPECT_EQ(manifest.bytes, run.events.size());
  EXPECT_EQ(manifest.malformed, count.malformed);
  EXPECT_EQ(manifest.duplicates, count.duplicates);
  EXPECT_EQ(manifest.unique_events, unique);
  EXPECT_EQ(manifest.sessions, count.sessions.size());
  EXPECT_EQ(manifest.preview_sessions, previews);
  EXPECT_EQ(manifest.unknown_title, unknown);
  EXPECT_EQ(manifest.unknown_title_events, unknown_events);
  EXPECT_EQ(manifest.missing_start, no_start);
  EXPECT_EQ(manifest.missing_stop, no_stop);
  EXPECT_EQ(manifest.lost_heartbeats, holes);
  EXPECT_EQ(manifest.paused_sessions, paused);
  EXPECT_EQ(manifest.bad_clock_sessions, bad_clocks);
  EXPECT_EQ(manifest.offline_sessions, late);
  EXPECT_EQ(manifest.straddle, outside);
  for (const uint64_t planted : {previews, unknown, no_stop, holes, paused, bad_clocks, late}) EXPECT_GT(planted, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Counters, testing::Values(1, 2, 3, 20'250'630));

/// The counting rules once more, as plainly as they can be written.
struct SecondTruth {
  std::map<std::string, int64_t> total, asof;
  std::map<std::pair<std::string, int64_t>, int64_t> week;
};

int64_t overlap(int64_t from, int64_t to, int64_t start, int64_t end) {
  return std::max<int64_t>(0, std::min(to, end) - std::max(from, start));
}

SecondTruth second_truth(const Recount& count) {
  constexpr int64_t kWeek = 7 * 86'400'000LL;
  constexpr int64_t kMonday = 1'735'516'800'000;  // 2024-12-30, the Monday of the week in which the half begins
  SecondTruth truth;
  for (const auto& [id, events] : count.sessions) {
    const ReadEvent& any = events.begin()->second;
    if (any.play_kind != "main" || any.title_id[0] == 'x') continue;
    const ReadEvent* before = nullptr;
    const ReadEvent* before_asof = nullptr;
    for (const auto& [seq, event] : events) {
      const int64_t to = event.session_epoch_ms + event.mono_ms;
      if (before != nullptr && before->state == "playing") {
        const int64_t from = before->session_epoch_ms + before->mono_ms;
        truth.total[any.title_id] += overlap(from, to, kHalfStartMs, kHalfEndMs);
        for (int64_t week = kMonday; week < kHalfEndMs; week += kWeek)
          if (const int64_t ms = overlap(from, to, week, week + kWeek)) truth.week[{any.title_id, week}] += ms;
      }
      before = &event;
      if (event.server_ts > kHalfEndMs + 86'400'000) continue;
      if (before_asof != nullptr && before_asof->state == "playing")
        truth.asof[any.title_id] +=
            overlap(before_asof->session_epoch_ms + before_asof->mono_ms, to, kHalfStartMs, kHalfEndMs);
      before_asof = &event;
    }
  }
  return truth;
}

std::string to_csv(const std::map<std::string, int64_t>& values) {
  std::string out = "title_id,credited_ms\n";
  for (const auto& [title, ms] : values)
    if (ms > 0) out += title + "," + std::to_string(ms) + "\n";
  return out;
}

TEST_P(Counters, TruthEqualsASecondImplementationOverTheEvents) {
  const GeneratedRun run = run_generator(small_options(GetParam(), 2'000'000));
  const SecondTruth truth = second_truth(recount(run));
  EXPECT_EQ(run.truth, to_csv(truth.total));
  EXPECT_EQ(run.truth_asof, to_csv(truth.asof));
  EXPECT_NE(run.truth, run.truth_asof) << "some of it arrives after the first publication";
  std::string weeks = "title_id,week_start_ms,credited_ms\n";
  for (const auto& [key, ms] : truth.week)
    weeks += key.first + "," + std::to_string(key.second) + "," + std::to_string(ms) + "\n";
  EXPECT_EQ(run.truth_week, weeks);
}

TEST_P(Counters, TruthRoundsToThePublishedFigures) {
  const int64_t unit_ms = 20'001;  // odd, so that halves do not fall on a millisecond
  const GeneratedRun run = run_generator(small_options(GetParam(), unit_ms));
  std::map<std::string, nlohmann::json> catalogue;
  for (const std::string_view line : split_lines(run.catalogue)) {
    auto title = nlohmann::json::parse(line);
    catalogue[title["title_id"]] = title;
  }
  EXPECT_EQ(catalogue.size(), 52u);
  std::set<std::string> reported;
  for (const std::string_view line : split_lines(run.truth)) {
    if (line.starts_with("title_id")) continue;
    const std::string title(line.substr(0, line.find(',')));
    const int64_t ms = std::stoll(std::string(line.substr(line.find(',') + 1)));
    const int64_t hours = (2 * ms + unit_ms) / (2 * unit_ms) * 100'000;
    const double runtime = catalogue.at(title)["runtime_h"];
    const auto views = static_cast<int64_t>(static_cast<double>(hours) / runtime / 100'000.0 + 0.5) * 100'000;
    if (views == 0) continue;
    reported.insert(catalogue[title]["kind"].get<std::string>() + "," + catalogue[title]["title"].get<std::string>() +
                    "," + std::to_string(hours) + "," + std::to_string(views));
  }
  const std::set<std::string> published = {"Show,Long: Season 1,9700000,2500000",
                                           "Show,Comma, and \"quotes\": Season 2,4300000,600000",
                                           "Show,Same,4400000,200000",
                                           "Show,Same,400000,400000",
                                           "Show,Cartoon: Season 1 // Trickfilm,900000,200000",
                                           "Show,Two minutes,100000,3000000",
                                           "Movie,Film,3100000,1600000",
                                           "Movie,Live,14400000,4800000",
                                           "Movie,Odd cut,14400000,4900000",
                                           "Movie,Small,100000,100000",
                                           "Movie,Old,100000,100000",
                                           "Movie,Rounded,3200000,1500000"};
  EXPECT_EQ(reported, published);
  EXPECT_EQ(run.manifest.rows, 12u);
  EXPECT_EQ(run.manifest.effective_runtime_rows, 2u) << "the one with * and the odd cut";
}

TEST(Generator, WithoutFaultsEverythingArrivesOnceInTimeAndInOrder) {
  Options options = small_options(5);
  options.faults = false;
  const GeneratedRun run = run_generator(options);
  const Manifest& manifest = run.manifest;
  EXPECT_EQ(manifest.lines, manifest.unique_events);
  for (const uint64_t planted :
       {manifest.duplicates, manifest.malformed, manifest.offline_sessions, manifest.straddle, manifest.missing_start,
        manifest.missing_stop, manifest.lost_heartbeats, manifest.stragglers, manifest.bad_clock_sessions})
    EXPECT_EQ(planted, 0u);
  EXPECT_GT(manifest.paused_sessions, 0u);
  EXPECT_GT(manifest.preview_sessions, 0u);
  std::map<std::string, int64_t> next_seq;
  for (const std::string_view line : split_lines(run.events)) {
    const auto event = read_event(line);
    ASSERT_TRUE(event.has_value());
    EXPECT_EQ(event->seq, next_seq[event->session_id]++);
    EXPECT_LT(event->server_ts - event->session_epoch_ms - event->mono_ms, 1'000);
  }
  EXPECT_EQ(run.truth, run.truth_asof);
}

TEST(Generator, RefusesWhatCannotBeGenerated) {
  const auto code_of = [](auto change) {
    Options options = small_options();
    change(options);
    auto generator = Generator::create(options);
    return generator.ok() ? std::string("accepted") : generator.error().code;
  };
  EXPECT_EQ(code_of([](Options&) {}), "accepted");
  EXPECT_EQ(code_of([](Options& o) { o.unit_ms = 0; }), sqlstate::kInvalidParameter);
  EXPECT_EQ(code_of([](Options& o) { o.unit_ms = -3'600; }), sqlstate::kInvalidParameter);
  EXPECT_EQ(code_of([](Options& o) { o.window_end_ms = o.window_start_ms; }), sqlstate::kInvalidParameter);
  EXPECT_EQ(code_of([](Options& o) { o.window_start_ms = -1; }), sqlstate::kInvalidParameter);
  EXPECT_EQ(code_of([](Options& o) { o.window_end_ms = INT64_MAX; }), sqlstate::kInvalidParameter);
  EXPECT_EQ(code_of([](Options& o) { o.decoy_titles = 2'000'000; }), sqlstate::kInvalidParameter);
  EXPECT_EQ(code_of([](Options& o) { o.titles_csv = ""; }), sqlstate::kInvalidText);
}

TEST(Generator, StopsAtTheFirstErrorOfTheOutput) {
  int calls = 0;
  const auto result = generate(small_options(), [&](Part part, std::string_view) -> Status {
    ++calls;
    if (part == Part::kEvents) return external_error(sqlstate::kDiskFull, "no room");
    return {};
  });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, sqlstate::kDiskFull);
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace millrace::connectors::playback
