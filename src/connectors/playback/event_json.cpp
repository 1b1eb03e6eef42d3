#include "connectors/playback/event_json.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "base/result.h"

namespace millrace::connectors::playback {
namespace {

struct Weighted {
  std::string_view name;
  int percent;
};

constexpr std::array<Weighted, 5> kDevices = {
    {{"tv", 45}, {"phone", 21}, {"tablet", 12}, {"console", 11}, {"web", 11}}};
constexpr std::array<Weighted, 18> kCountries = {{{"US", 20},
                                                  {"BR", 9},
                                                  {"GB", 9},
                                                  {"IN", 7},
                                                  {"MX", 7},
                                                  {"DE", 6},
                                                  {"FR", 6},
                                                  {"JP", 5},
                                                  {"KR", 5},
                                                  {"ES", 4},
                                                  {"CA", 4},
                                                  {"IT", 4},
                                                  {"PL", 3},
                                                  {"AR", 3},
                                                  {"TR", 3},
                                                  {"ZA", 2},
                                                  {"TH", 2},
                                                  {"NG", 1}}};

template <size_t N>
constexpr int sum_of(const std::array<Weighted, N>& choices) {
  int sum = 0;
  for (const Weighted& choice : choices) sum += choice.percent;
  return sum;
}
static_assert(sum_of(kDevices) == 100 && sum_of(kCountries) == 100);

template <size_t N>
std::string_view pick(const std::array<Weighted, N>& choices, SplitMix64& random) {
  int64_t place = random.below(100);
  size_t index = 0;
  while (place >= choices[index].percent) place -= choices[index++].percent;
  return choices[index].name;
}

constexpr int64_t kWrongWithinHourPpm = 80'000;
constexpr int64_t kYearAheadPpm = 10'000;
constexpr int64_t kEpochClockPpm = 10'000;

void draw_clock(const SessionPlan& plan, SplitMix64& random, bool faults, SessionText& text) {
  text.clock_offset_ms = random.below(2'500) - 500;
  if (!faults) return;
  const int64_t draw = random.below(1'000'000);
  if (draw < kYearAheadPpm) {
    text.clock_offset_ms = kYearMs;
    text.bad_clock = true;
  } else if (draw < kYearAheadPpm + kEpochClockPpm) {
    text.clock_offset_ms = -plan.epoch_ms;
    text.bad_clock = true;
  } else if (draw < kYearAheadPpm + kEpochClockPpm + kWrongWithinHourPpm) {
    text.clock_offset_ms = random.below(7'200'000) - 3'600'000;
  }
}

/// "00" to "99", for two digits at a time.
struct DigitPairs {
  char text[200];
  constexpr DigitPairs() : text() {
    for (int i = 0; i < 100; ++i) {
      text[2 * i] = static_cast<char>('0' + i / 10);
      text[2 * i + 1] = static_cast<char>('0' + i % 10);
    }
  }
};
constexpr DigitPairs kPairs;

char* write_unsigned(uint64_t value, char* out) {
  char digits[20];
  char* at = digits + sizeof digits;
  while (value >= 100) {
    at -= 2;
    std::memcpy(at, kPairs.text + 2 * (value % 100), 2);
    value /= 100;
  }
  if (value >= 10) {
    at -= 2;
    std::memcpy(at, kPairs.text + 2 * value, 2);
  } else {
    *--at = static_cast<char>('0' + value);
  }
  const auto length = static_cast<size_t>(digits + sizeof digits - at);
  std::memcpy(out, at, length);
  return out + length;
}

char* write_signed(int64_t value, char* out) {
  if (value < 0) {
    *out++ = '-';
    return write_unsigned(0 - static_cast<uint64_t>(value), out);
  }
  return write_unsigned(static_cast<uint64_t>(value), out);
}

/// At least four digits.
char* write_four(uint32_t value, char* out) {
  if (value > 9'999) return write_unsigned(value, out);
  std::memcpy(out, kPairs.text + 2 * (value / 100), 2);
  std::memcpy(out + 2, kPairs.text + 2 * (value % 100), 2);
  return out + 4;
}

template <size_t N>
char* write_text(const char (&text)[N], char* out) {
  std::memcpy(out, text, N - 1);
  return out + N - 1;
}

char* write_bytes(const char* bytes, size_t length, char* out) {
  std::memcpy(out, bytes, length);
  return out + length;
}

constexpr std::array<std::string_view, 5> kTypes = {"start", "heartbeat", "pause", "resume", "stop"};
constexpr std::array<std::string_view, 3> kStates = {"playing", "paused", "stopped"};

}  // namespace

void make_session_text(const Row& row, const RowSession& session, const SessionPlan& plan, uint64_t accounts,
                       bool faults, SplitMix64& random, SessionText& text) {
  text.epoch_ms = plan.epoch_ms;
  text.bad_clock = false;
  text.unsent = 0;
  const auto account = static_cast<uint64_t>(random.below(static_cast<int64_t>(accounts)));
  const uint64_t profile = account * 3 + static_cast<uint64_t>(random.below(3));
  const std::string_view device = pick(kDevices, random);
  const std::string_view country = pick(kCountries, random);
  draw_clock(plan, random, faults, text);
  text.resume_ms = random.chance(700'000) ? 0 : random.below(3'600'000);
  char episode[16] = "";
  if (row.show) std::snprintf(episode, sizeof episode, "-e%02d", static_cast<int>(1 + random.below(10)));
  text.id_length = static_cast<uint8_t>(
      std::snprintf(text.id, sizeof text.id, "s%09llu", static_cast<unsigned long long>(session.number)));
  const int length = std::snprintf(
      text.middle, sizeof text.middle,
      ",\"account_id\":\"a%06llu\",\"profile_id\":\"p%06llu\",\"title_id\":\"%s\",\"video_id\":\"%s%s\",\"play_kind\":"
      "\"%s\","
      "\"device\":\"%.*s\",\"country\":\"%.*s\",\"session_epoch_ms\":%lld,\"mono_ms\":",
      static_cast<unsigned long long>(account), static_cast<unsigned long long>(profile), row.title_id.c_str(),
      row.title_id.c_str(), episode, session.request.preview ? "preview" : "main", static_cast<int>(device.size()),
      device.data(), static_cast<int>(country.size()), country.data(), static_cast<long long>(plan.epoch_ms));
  MR_CHECK(length > 0 && static_cast<size_t>(length) < sizeof text.middle, "the constant half of an event has room");
  text.middle_length = static_cast<uint16_t>(length);
}

char* write_event(const SessionText& session, const EventCopy& event, char* out) {
  const std::string_view type = kTypes[static_cast<size_t>(event.type)];
  const std::string_view state = kStates[static_cast<size_t>(event.state)];
  const auto seq = static_cast<uint32_t>((event.order >> 1) & ((1u << kSeqBits) - 1));
  out = write_text("{\"event_id\":\"", out);
  out = write_bytes(session.id, session.id_length, out);
  *out++ = '-';
  out = write_four(seq, out);
  out = write_text("\",\"type\":\"", out);
  out = write_bytes(type.data(), type.size(), out);
  out = write_text("\",\"state\":\"", out);
  out = write_bytes(state.data(), state.size(), out);
  out = write_text("\",\"session_id\":\"", out);
  out = write_bytes(session.id, session.id_length, out);
  out = write_text("\",\"seq\":", out);
  out = write_unsigned(seq, out);
  out = write_bytes(session.middle, session.middle_length, out);
  out = write_unsigned(event.mono_ms, out);
  out = write_text(",\"client_ts\":", out);
  out = write_signed(session.epoch_ms + event.mono_ms + session.clock_offset_ms, out);
  out = write_text(",\"position_ms\":", out);
  out = write_signed(session.resume_ms + event.played_ms, out);
  out = write_text(",\"played_ms\":", out);
  out = write_unsigned(event.played_ms, out);
  out = write_text(",\"server_ts\":", out);
  out = write_signed(event.arrival_ms, out);
  return write_text("}\n", out);
}

}  // namespace millrace::connectors::playback
