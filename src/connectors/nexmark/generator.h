// The events of the Nexmark benchmark: persons, auctions and bids of an auction site, as the widely used generators
// define them (github.com/nexmark/nexmark), but each event follows from (seed, id) alone, so that any part of a run can
// be made again, in any order, on any worker; and FIRST_PERSON_ID is added to a bidder once (there: twice).
//
// Of 50 ids in a row the first is a person, three are auctions, 46 are bids. The n-th event that comes is the one with
// the id (n / g) · g + (n · 953) mod g, g being the size of the groups that are out of order: with 1, n itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "connectors/split_mix.h"

namespace millrace::connectors::nexmark {

enum class EventType : uint8_t { kPerson = 0, kAuction = 1, kBid = 2 };

struct Options {
  uint64_t seed = 1;
  uint64_t rate = 10000;                  ///< events a second of event time
  Timestamp base_time{1436918400000000};  ///< of id 0: 2015-07-15T00:00:00Z
  uint64_t group = 1;                     ///< events that come out of order among each other; no multiple of 953
};

/// All texts live as long as the generator or, where noted, until the next event is made with the same Scratch.
struct Person {
  int64_t id;
  std::string_view name;           ///< in Scratch
  std::string_view email_address;  ///< in Scratch
  std::string_view credit_card;    ///< in Scratch
  std::string_view city;
  std::string_view state;
  Timestamp date_time;
  std::string_view extra;
};

struct Auction {
  int64_t id;
  std::string_view item_name;
  std::string_view description;
  int64_t initial_bid;
  int64_t reserve;
  Timestamp date_time;
  Timestamp expires;
  int64_t seller;
  int64_t category;
  std::string_view extra;
};

struct Bid {
  int64_t auction;
  int64_t bidder;
  int64_t price;
  std::string_view channel;
  std::string_view url;
  Timestamp date_time;
  std::string_view extra;
};

/// Room for the texts of one event.
struct Scratch {
  char name[32];
  char email_address[32];
  char credit_card[20];
};

/// Const after construction; any thread may use it.
class Generator {
 public:
  static constexpr int64_t kFirstId = 1000;      ///< of persons and of auctions
  static constexpr int64_t kFirstCategory = 10;  ///< of five
  static constexpr uint64_t kEpoch = 50;         ///< ids of which one is a person
  static constexpr uint64_t kAuctionsOfEpoch = 3;

  static Result<Generator> create(const Options& options);

  /// The id of the n-th event that comes, from 0.
  uint64_t id_at(uint64_t number) const {
    return options_.group == 1 ? number : number / options_.group * options_.group + number * 953 % options_.group;
  }
  static EventType type_of(uint64_t id) {
    const uint64_t place = id % kEpoch;
    return place == 0 ? EventType::kPerson : place <= kAuctionsOfEpoch ? EventType::kAuction : EventType::kBid;
  }
  /// In whole milliseconds.
  Timestamp time_of(uint64_t id) const;

  /// `id` must be of that type.
  Person person(uint64_t id, Scratch& scratch) const;
  Auction auction(uint64_t id) const;
  Bid bid(uint64_t id) const;

 private:
  explicit Generator(const Options& options);
  SplitMix64 random_of(uint64_t id) const { return SplitMix64(mix64(seed_mix_ + id)); }
  std::string_view text(const std::string& from, size_t length, SplitMix64& random) const;
  std::string_view words(size_t length_below, SplitMix64& random) const;
  std::string_view extra(size_t others, size_t average, SplitMix64& random) const;
  std::string base_url(SplitMix64& random) const;

  Options options_;
  uint64_t seed_mix_ = 0;
  std::string letters_;  ///< a to z
  std::string words_;    ///< and spaces
  struct Channel {
    std::string name;
    std::string url;
  };
  std::vector<Channel> hot_channels_;
  std::vector<Channel> channels_;
};

}  // namespace millrace::connectors::nexmark
