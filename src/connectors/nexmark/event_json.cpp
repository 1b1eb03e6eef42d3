#include "connectors/nexmark/event_json.h"

#include <charconv>
#include <cstring>

#include "base/text.h"

namespace millrace::connectors::nexmark {
namespace {

/// Writes members of an object. No text of an event needs escapes.
class Writer {
 public:
  explicit Writer(char* at) : at_(at) {}
  char* end() const { return at_; }

  void raw(std::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void number(std::string_view key, int64_t value) {
    raw(key);
    at_ = std::to_chars(at_, at_ + 20, value).ptr;
  }
  void text(std::string_view key, std::string_view value) {
    raw(key);
    *at_++ = '"';
    raw(value);
    *at_++ = '"';
  }
  void time(std::string_view key, Timestamp time) {
    if (const int64_t second = time.micros / 1000000; second != second_) {
      second_ = second;
      const std::string whole = format_iso8601(Timestamp{second * 1000000});
      std::memcpy(second_text_, whole.data(), kSecondBytes);
    }
    const auto millis = static_cast<uint32_t>(time.micros / 1000 % 1000);
    raw(key);
    *at_++ = '"';
    raw({second_text_, kSecondBytes});
    const char rest[] = {'.', static_cast<char>('0' + millis / 100), static_cast<char>('0' + millis / 10 % 10),
                         static_cast<char>('0' + millis % 10), '"'};
    raw({rest, sizeof rest});
  }

 private:
  static constexpr size_t kSecondBytes = 19;  // 2015-07-15T00:00:00
  char* at_;
  static thread_local int64_t second_;  // the second that was written last, for most events share theirs
  static thread_local char second_text_[kSecondBytes];
};

thread_local int64_t Writer::second_ = -1;
thread_local char Writer::second_text_[Writer::kSecondBytes];

void write_person(const Person& person, Writer& out) {
  out.number("{\"id\":", person.id);
  out.text(",\"name\":", person.name);
  out.text(",\"emailAddress\":", person.email_address);
  out.text(",\"creditCard\":", person.credit_card);
  out.text(",\"city\":", person.city);
  out.text(",\"state\":", person.state);
  out.time(",\"dateTime\":", person.date_time);
  out.text(",\"extra\":", person.extra);
  out.raw("}");
}

void write_auction(const Auction& auction, Writer& out) {
  out.number("{\"id\":", auction.id);
  out.text(",\"itemName\":", auction.item_name);
  out.text(",\"description\":", auction.description);
  out.number(",\"initialBid\":", auction.initial_bid);
  out.number(",\"reserve\":", auction.reserve);
  out.time(",\"dateTime\":", auction.date_time);
  out.time(",\"expires\":", auction.expires);
  out.number(",\"seller\":", auction.seller);
  out.number(",\"category\":", auction.category);
  out.text(",\"extra\":", auction.extra);
  out.raw("}");
}

void write_bid(const Bid& bid, Writer& out) {
  out.number("{\"auction\":", bid.auction);
  out.number(",\"bidder\":", bid.bidder);
  out.number(",\"price\":", bid.price);
  out.text(",\"channel\":", bid.channel);
  out.text(",\"url\":", bid.url);
  out.time(",\"dateTime\":", bid.date_time);
  out.text(",\"extra\":", bid.extra);
  out.raw("}");
}

}  // namespace

char* write_event(const Generator& generator, uint64_t id, Form form, char* out) {
  Writer writer(out);
  const bool all = form == Form::kAll;
  switch (Generator::type_of(id)) {
    case EventType::kPerson: {
      Scratch scratch;
      if (all) writer.raw("{\"event_type\":0,\"person\":");
      write_person(generator.person(id, scratch), writer);
      break;
    }
    case EventType::kAuction:
      if (all) writer.raw("{\"event_type\":1,\"auction\":");
      write_auction(generator.auction(id), writer);
      break;
    case EventType::kBid:
      if (all) writer.raw("{\"event_type\":2,\"bid\":");
      write_bid(generator.bid(id), writer);
      break;
  }
  if (all) {
    writer.time(",\"dateTime\":", generator.time_of(id));
    writer.raw("}");
  }
  writer.raw("\n");
  return writer.end();
}

}  // namespace millrace::connectors::nexmark
