#include "base/config.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Config, Sizes) {
  EXPECT_EQ(*parse_size("s", "4096"), 4096u);
  EXPECT_EQ(*parse_size("s", "64MB"), 64000000u);
  EXPECT_EQ(*parse_size("s", "16MiB"), 16777216u);
  EXPECT_EQ(*parse_size("s", " 1.5 gib "), 1610612736u);
  EXPECT_EQ(*parse_size("s", "10k"), 10000u);
  EXPECT_EQ(*parse_size("s", "0"), 0u);
  EXPECT_EQ(*parse_size("s", "7 bytes"), 7u);
  EXPECT_EQ(*parse_size("s", "9007199254740991"), 9007199254740991u);
  for (const char* bad : {"", "MB", "-1", "1 MX", "1MBB", "inf", "nan", "1e3", "0x10", "9000000000 GiB", "1 2"}) {
    EXPECT_FALSE(parse_size("s", bad).ok()) << bad;
  }
}

TEST(Config, Durations) {
  EXPECT_EQ(parse_duration("d", "7 days")->micros, 7 * 86400000000);
  EXPECT_EQ(parse_duration("d", "1 s")->micros, 1000000);
  EXPECT_EQ(parse_duration("d", "30 SECOND")->micros, 30000000);
  EXPECT_EQ(parse_duration("d", "500ms")->micros, 500000);
  EXPECT_EQ(parse_duration("d", "1.5 h")->micros, 5400000000);
  EXPECT_EQ(parse_duration("d", "1 h 30 min")->micros, 5400000000);
  EXPECT_EQ(parse_duration("d", "1h30m")->micros, 5400000000);
  EXPECT_EQ(parse_duration("d", "250us")->micros, 250);
  EXPECT_EQ(parse_duration("d", "2 weeks")->micros, 14 * 86400000000);
  EXPECT_EQ(parse_duration("d", "0")->micros, 0);
  for (const char* bad : {"", "5", "days", "-1 s", "1 fortnight", "1 s x", "99999999999 weeks", "1..5 s", "ss"}) {
    EXPECT_FALSE(parse_duration("d", bad).ok()) << bad;
  }
}

TEST(Config, BooleansNumbersAndChoices) {
  EXPECT_TRUE(*parse_bool("b", "ON"));
  EXPECT_FALSE(*parse_bool("b", " no "));
  EXPECT_FALSE(parse_bool("b", "maybe").ok());
  EXPECT_EQ(*parse_integer("i", "+12", 1, 64), 12);
  EXPECT_FALSE(parse_integer("i", "65", 1, 64).ok());
  EXPECT_FALSE(parse_integer("i", "1x", 1, 64).ok());
  EXPECT_FALSE(parse_integer("i", "", 1, 64).ok());
  EXPECT_FALSE(parse_integer("i", "99999999999999999999", 1, INT64_MAX).ok());
  EXPECT_DOUBLE_EQ(*parse_number("n", "0.25"), 0.25);
  EXPECT_DOUBLE_EQ(*parse_number("n", "-1e3"), -1000);
  EXPECT_FALSE(parse_number("n", "inf").ok());
  EXPECT_EQ(*parse_choice("mode", "Append", {"append", "upsert"}), "append");
  EXPECT_FALSE(parse_choice("mode", "delete", {"append", "upsert"}).ok());
}

TEST(Config, Endpoints) {
  EXPECT_EQ(*parse_endpoint("listen", "127.0.0.1:8780"), (Endpoint{"127.0.0.1", 8780}));
  EXPECT_EQ(*parse_endpoint("listen", "[::1]:80"), (Endpoint{"::1", 80}));
  EXPECT_EQ(*parse_endpoint("listen", "8780"), (Endpoint{"127.0.0.1", 8780}));
  EXPECT_EQ(*parse_endpoint("listen", ":0"), (Endpoint{"0.0.0.0", 0}));
  EXPECT_EQ(parse_endpoint("listen", "[::1]:80")->text(), "[::1]:80");
  EXPECT_TRUE(parse_endpoint("listen", "localhost:1")->is_loopback());
  EXPECT_TRUE(parse_endpoint("listen", "127.9.9.9:1")->is_loopback());
  EXPECT_TRUE(parse_endpoint("listen", "[::1]:1")->is_loopback());
  EXPECT_FALSE(parse_endpoint("listen", "127.evil.example:1")->is_loopback());
  EXPECT_FALSE(parse_endpoint("listen", "0.0.0.0:1")->is_loopback());
  for (const char* bad :
       {"", "host", "host:", "host:65536", "host:-1", "::1", "[::1]", "[]:1", "a b:1", "h:+1", "[::1"}) {
    EXPECT_FALSE(parse_endpoint("listen", bad).ok()) << bad;
  }
}

TEST(Config, ErrorsNameSettingValueAndForm) {
  const auto size = parse_size("memory", "lots");
  EXPECT_EQ(size.error().message, "the setting memory takes a size like 64MB, 16MiB or 1.5 GiB, not 'lots'");
  EXPECT_EQ(size.error().code, sqlstate::kInvalidParameter);
  EXPECT_EQ(size.error().fault, Fault::kUser);
  EXPECT_EQ(parse_integer("workers", "none", 1, 64).error().message,
            "the setting workers takes an integer from 1 to 64, not 'none'");
  EXPECT_EQ(parse_choice("mode", "x", {"append", "changes", "upsert"}).error().message,
            "the setting mode takes append, changes or upsert, not 'x'");
  EXPECT_LT(parse_bool("flag", std::string(5000, 'x')).error().message.size(), 200u);
}

}  // namespace
}  // namespace millrace
