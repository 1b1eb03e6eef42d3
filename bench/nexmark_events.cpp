// Writes events of Nexmark in the plain binary form that the race's Flink reads (bench/flink/…/EventFile.java).
//
//   build/release/bench/bench_nexmark_events FILE [EVENTS]
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/bytes.h"
#include "connectors/nexmark/generator.h"

namespace {

using namespace millrace;
namespace nexmark = connectors::nexmark;

void put(std::string& out, int64_t number) { append_little(out, number); }
void put(std::string& out, Timestamp time) { append_little(out, time.micros); }
void put(std::string& out, std::string_view text) {
  append_little(out, static_cast<uint16_t>(text.size()));
  out.append(text);
}
template <typename... Fields>
void put_event(std::string& out, nexmark::EventType type, const Fields&... fields) {
  out.push_back(static_cast<char>(type));
  (put(out, fields), ...);
}

void put_event(std::string& out, const nexmark::Generator& generator, uint64_t id) {
  const nexmark::EventType type = nexmark::Generator::type_of(id);
  if (type == nexmark::EventType::kPerson) {
    nexmark::Scratch scratch;
    const nexmark::Person of = generator.person(id, scratch);
    put_event(out, type, of.id, of.name, of.email_address, of.credit_card, of.city, of.state, of.date_time, of.extra);
  } else if (type == nexmark::EventType::kAuction) {
    const nexmark::Auction of = generator.auction(id);
    put_event(out, type, of.id, of.item_name, of.description, of.initial_bid, of.reserve, of.date_time, of.expires,
              of.seller, of.category, of.extra);
  } else {
    const nexmark::Bid of = generator.bid(id);
    put_event(out, type, of.auction, of.bidder, of.price, of.channel, of.url, of.date_time, of.extra);
  }
}

}  // namespace

int main(int count, char** words) {
  if (count < 2) {
    std::fprintf(stderr, "usage: bench_nexmark_events FILE [EVENTS]\n");
    return 2;
  }
  const uint64_t events = count > 2 ? std::strtoull(words[2], nullptr, 10) : 1000000;
  auto generator = nexmark::Generator::create({});
  std::FILE* file = std::fopen(words[1], "wb");
  if (!file || !generator.ok()) {
    std::fprintf(stderr, "cannot write %s\n", words[1]);
    return 1;
  }
  std::string out;
  bool whole = true;
  for (uint64_t number = 0; number < events; ++number) {
    put_event(out, *generator, generator->id_at(number));
    if (out.size() < (1 << 20) && number + 1 < events) continue;
    whole &= std::fwrite(out.data(), 1, out.size(), file) == out.size();
    out.clear();
  }
  whole &= std::fclose(file) == 0;
  if (!whole) std::fprintf(stderr, "cannot write all of %s\n", words[1]);
  return whole ? 0 : 1;
}
