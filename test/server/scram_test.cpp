// Passwords: the exchange of RFC 7677's example, verifiers, the lines of a users file.
#include "server/scram.h"

#include <gtest/gtest.h>

#include "server/users.h"

namespace millrace::server {
namespace {

constexpr Duration kNow = Duration::from_seconds(1000);

ScramVerifier rfc_verifier() {
  std::string salt("\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81", 16);
  return make_verifier(ScramHash::kSha256, "pencil", salt, 4096);
}

TEST(Scram, TheExampleOfRfc7677) {
  auto first = parse_scram_first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->user, "user");
  ScramExchange exchange(*first, rfc_verifier(), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", true);
  EXPECT_EQ(exchange.challenge(), "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
  const std::string last =
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
  EXPECT_EQ(exchange.verify(last), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");

  for (size_t i = 0; i < last.size(); ++i) {
    std::string wrong = last;
    wrong[i] = wrong[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(exchange.verify(wrong), std::nullopt) << wrong;
    EXPECT_EQ(exchange.verify(last.substr(0, i)), std::nullopt) << i;
  }
  ScramFirst other_header = *first;
  other_header.header = "y,,";
  ScramExchange bound(other_header, rfc_verifier(), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", true);
  EXPECT_EQ(bound.verify(last), std::nullopt) << "the last message repeats another header";
  ScramExchange of_nobody(*first, rfc_verifier(), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", false);
  EXPECT_EQ(of_nobody.verify(last), std::nullopt);
}

TEST(Scram, FirstMessages) {
  auto named = parse_scram_first("y,a=a=2Cb=3D,n=a=2Cb=3D,r=xyz,ext=1");
  ASSERT_TRUE(named.ok());
  EXPECT_EQ(named->user, "a,b=");
  EXPECT_EQ(named->nonce, "xyz");
  EXPECT_EQ(named->bare, "n=a=2Cb=3D,r=xyz,ext=1");
  for (const char* wrong : {"", "n", "n,", "n,,", "n,,n=,r=x", "n,,n=u", "n,,n=u,r=", "n,,r=x,n=u", "p=tls-unique,,n=u,r=x",
                            "n,a=other,n=u,r=x", "n,,n=a=2,r=x", "n,,n=a=41,r=x"}) {
    EXPECT_FALSE(parse_scram_first(wrong).ok()) << wrong;
  }
}

TEST(Scram, VerifiersAreReadAsTheyAreWritten) {
  for (ScramHash hash : {ScramHash::kSha256, ScramHash::kSha512}) {
    const ScramVerifier made = make_verifier(hash, "secret", "salt");
    auto read = parse_verifier(render(made));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(render(*read), render(made));
    EXPECT_TRUE(has_password(*read, "secret"));
    EXPECT_FALSE(has_password(*read, "secre"));
    EXPECT_FALSE(has_password(*read, ""));
  }
  // As PostgreSQL writes it.
  EXPECT_EQ(render(rfc_verifier()),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
            "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
  const std::string good = render(rfc_verifier());
  for (size_t length = 0; length + 1 < good.size(); ++length) {
    EXPECT_FALSE(parse_verifier(good.substr(0, length)).ok()) << length;
  }
  EXPECT_FALSE(parse_verifier("SCRAM-SHA-256$1:W22ZaJ0SNY7soEsUEjb6gQ==$" + good.substr(good.rfind('$') + 1)).ok());
}

std::string line_of(const std::string& name, const std::string& rights) {
  return name + " " + render(make_verifier(ScramHash::kSha256, "pw-of-" + name, "salt", 4096)) + " " + rights + "\n";
}

TEST(Users, RightsGoByNamesAndTheirBeginnings) {
  auto users = Users::parse("# who may what\n\n" + line_of("alice", "read=orders,Clicks_* write=orders") +
                            line_of("root", "admin=*") + line_of("keeper", "admin=logs_*"));
  ASSERT_TRUE(users.ok()) << users.error().message;
  const User* alice = (*users)->find("alice");
  ASSERT_NE(alice, nullptr);
  EXPECT_TRUE(alice->may(Right::kRead, "ORDERS"));
  EXPECT_TRUE(alice->may(Right::kRead, "clicks_eu"));
  EXPECT_FALSE(alice->may(Right::kRead, "clicks"));
  EXPECT_FALSE(alice->may(Right::kRead, "orders_dead"));
  EXPECT_TRUE(alice->may(Right::kWrite, "orders"));
  EXPECT_FALSE(alice->may(Right::kWrite, "clicks_eu"));
  EXPECT_FALSE(alice->may(Right::kAdmin, "orders"));
  EXPECT_TRUE(alice->may_see("clicks_eu"));
  EXPECT_FALSE(alice->may_see("totals"));
  EXPECT_FALSE(alice->may_everything());
  EXPECT_TRUE((*users)->find("root")->may_everything());
  EXPECT_TRUE((*users)->find("root")->may(Right::kWrite, "anything"));
  EXPECT_TRUE((*users)->find("keeper")->may(Right::kWrite, "logs_1"));
  EXPECT_FALSE((*users)->find("keeper")->may_everything());
  EXPECT_EQ((*users)->find("Alice"), nullptr);
}

TEST(Users, RatesHoldBackWhatIsOverThem) {
  auto users = Users::parse(line_of("alice", "produce_rate=1000 fetch_rate=2MB") + line_of("bob", ""));
  ASSERT_TRUE(users.ok()) << users.error().message;
  const User* alice = (*users)->find("alice");
  EXPECT_EQ(alice->produce_rate().take(1000, kNow), Duration{}) << "what a second may have";
  EXPECT_EQ(alice->produce_rate().take(500, kNow), Duration::from_millis(500));
  EXPECT_EQ(alice->produce_rate().take(500, kNow), Duration::from_millis(1000));
  EXPECT_EQ(alice->produce_rate().take(1, Duration{kNow.micros + 60'000'000}), Duration{});
  EXPECT_EQ(alice->fetch_rate().take(4'000'000, kNow), Duration::from_millis(1000));
  EXPECT_FALSE((*users)->find("bob")->fetch_rate().limited());
  EXPECT_EQ((*users)->find("bob")->fetch_rate().take(1 << 30, kNow), Duration{});
}

TEST(Users, LinesThatAreWrongAreNamed) {
  const std::string good = line_of("a", "");
  struct Case {
    std::string text, part;
  };
  for (const Case& wrong : {Case{"", "no user"}, Case{good + "bob\n", "line 2"}, Case{good + good, "twice"},
                            Case{line_of("a", "reads=x"), "reads=x"}, Case{line_of("a", "read="), "read="}, Case{line_of("a", "fetch_rate=fast"), "fetch_rate"},
                            Case{line_of("a", "read=a*b"), "star"}, Case{line_of("a:b", ""), "colon"},
                            Case{"a SCRAM-SHA-256$x\n", "verifier"}}) {
    auto users = Users::parse(wrong.text);
    ASSERT_FALSE(users.ok()) << wrong.text;
    EXPECT_NE(users.error().message.find(wrong.part), std::string::npos) << users.error().message;
  }
}

TEST(Users, PasswordsAndTheWaitAfterWrongOnes) {
  auto users = Users::parse(line_of("alice", "") + line_of("bob", ""));
  ASSERT_TRUE(users.ok());
  const auto tried = [&](const char* name, const std::string& password, Duration now) {
    return (*users)->with_password(name, password, now);
  };
  EXPECT_EQ(tried("alice", "pw-of-alice", kNow), (*users)->find("alice"));
  EXPECT_EQ(tried("alice", "pw-of-bob", kNow), nullptr);
  EXPECT_EQ(tried("alice", "", kNow), nullptr);
  EXPECT_EQ(tried("nobody", "pw-of-nobody", kNow), nullptr);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(tried("bob", "guess", kNow), nullptr);
  EXPECT_EQ(tried("bob", "guess", kNow), nullptr) << "the fifth";
  EXPECT_EQ(tried("bob", "pw-of-bob", kNow), nullptr) << "not tried so soon";
  EXPECT_EQ(tried("bob", "guess", Duration{kNow.micros + 1'000'000}), nullptr) << "tried, and wrong";
  EXPECT_EQ(tried("bob", "pw-of-bob", Duration{kNow.micros + 2'900'000}), nullptr) << "now it is two seconds";
  const Duration later{kNow.micros + 3'000'000};
  EXPECT_EQ(tried("bob", "pw-of-bob", later), (*users)->find("bob"));
  // Who was right before is not held up by others who guess.
  for (int i = 0; i < 10; ++i) EXPECT_EQ(tried("bob", "guess", later), nullptr);
  EXPECT_EQ(tried("bob", "pw-of-bob", later), (*users)->find("bob"));
}

TEST(Users, AnUnknownNameLooksLikeAKnownOne) {
  auto users = Users::parse(line_of("alice", ""));
  ASSERT_TRUE(users.ok());
  const auto salt_of = [&](const char* first) {
    const std::string challenge = (*users)->begin(ScramHash::kSha256, *parse_scram_first(first)).challenge();
    return challenge.substr(challenge.find(",s="));
  };
  EXPECT_EQ(salt_of("n,,n=nobody,r=1"), salt_of("n,,n=nobody,r=2"));
  EXPECT_NE(salt_of("n,,n=nobody,r=1"), salt_of("n,,n=somebody,r=1"));
}

}  // namespace
}  // namespace millrace::server
