// The same tests for the real network, over loopback, and the simulated one.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "base/real_env.h"
#include "base/simulated_env.h"

namespace millrace {
namespace {

struct NetworkKind {
  const char* name;
  std::function<std::unique_ptr<Env>()> make;
};

class NetworkTest : public ::testing::TestWithParam<NetworkKind> {
 protected:
  NetworkTest() : env_(GetParam().make()) {}

  Result<std::unique_ptr<Connection>> connect(uint16_t port) {
    return env_->network().connect("localhost", port, Duration::from_seconds(60));
  }

  std::unique_ptr<Env> env_;
};

std::string read_to_end(Connection& connection) {
  std::string all;
  char buffer[1000];
  while (true) {
    const auto got = connection.read(buffer, sizeof buffer);
    if (!got.ok() || *got == 0) return all;
    all.append(buffer, *got);
  }
}

TEST_P(NetworkTest, BytesArriveInOrderThenTheEnd) {
  auto listener = std::move(env_->network().listen("localhost", 0)).value();
  ASSERT_NE(listener->port(), 0);
  std::string sent;
  for (int i = 0; sent.size() < 500000; ++i) sent += std::to_string(i) + ",";
  std::thread client([&] {
    auto connection = std::move(connect(listener->port())).value();
    EXPECT_TRUE(connection->write(sent).ok());
  });
  auto served = std::move(listener->accept()).value();
  EXPECT_EQ(read_to_end(*served), sent);
  client.join();
}

TEST_P(NetworkTest, BothDirections) {
  auto listener = std::move(env_->network().listen("127.0.0.1", 0)).value();
  std::thread server([&] {
    auto connection = std::move(listener->accept()).value();
    char buffer[4];
    size_t have = 0;
    while (have < sizeof buffer) have += *connection->read(buffer + have, sizeof buffer - have);
    EXPECT_TRUE(connection->write(std::string_view("pong")).ok());
  });
  auto connection = std::move(connect(listener->port())).value();
  ASSERT_TRUE(connection->write(std::string_view("ping")).ok());
  EXPECT_EQ(read_to_end(*connection), "pong");
  server.join();
}

TEST_P(NetworkTest, ATakenPortIsNamed) {
  auto first = std::move(env_->network().listen("127.0.0.1", 0)).value();
  const auto second = env_->network().listen("127.0.0.1", first->port());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, sqlstate::kObjectInUse);
  EXPECT_NE(second.error().message.find(std::to_string(first->port())), std::string::npos);
}

TEST_P(NetworkTest, NobodyListensIsARefusal) {
  uint16_t port = 0;
  {
    auto listener = std::move(env_->network().listen("127.0.0.1", 0)).value();
    port = listener->port();
  }
  const auto refused = connect(port);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, sqlstate::kUnavailable);
  EXPECT_EQ(refused.error().retry, Retry::kBackoff);
}

TEST_P(NetworkTest, CloseWakesTheAcceptThatWaits) {
  auto listener = std::move(env_->network().listen("127.0.0.1", 0)).value();
  std::atomic<bool> entered{false};
  std::string code;
  std::thread acceptor([&] {
    entered = true;
    auto accepted = listener->accept();
    if (!accepted.ok()) code = accepted.error().code;
  });
  while (!entered) std::this_thread::yield();
  listener->close();
  acceptor.join();
  EXPECT_EQ(code, sqlstate::kCancelled);
}

TEST_P(NetworkTest, CloseWakesTheReadThatWaits) {
  auto listener = std::move(env_->network().listen("127.0.0.1", 0)).value();
  auto client = std::move(connect(listener->port())).value();
  auto served = std::move(listener->accept()).value();
  std::atomic<bool> entered{false};
  size_t got = 1;
  std::thread reader([&] {
    char buffer[10];
    entered = true;
    got = *served->read(buffer, sizeof buffer);
  });
  while (!entered) std::this_thread::yield();
  served->close();
  reader.join();
  EXPECT_EQ(got, 0u);
  EXPECT_FALSE(served->write(std::string_view("late")).ok());
}

TEST_P(NetworkTest, WritingToAPeerThatLeftFailsInTheEnd) {
  auto listener = std::move(env_->network().listen("127.0.0.1", 0)).value();
  auto client = std::move(connect(listener->port())).value();
  { auto served = std::move(listener->accept()).value(); }
  const std::string chunk(65536, 'x');
  bool failed = false;
  for (int i = 0; i < 1000 && !failed; ++i) failed = !client->write(chunk).ok();
  EXPECT_TRUE(failed);
}

INSTANTIATE_TEST_SUITE_P(
    Both, NetworkTest,
    ::testing::Values(NetworkKind{"Real", [] { return std::unique_ptr<Env>(std::make_unique<RealEnv>()); }},
                      NetworkKind{"Simulated",
                                  [] { return std::unique_ptr<Env>(std::make_unique<SimulatedEnv>(1, false)); }}),
    [](const auto& named) { return std::string(named.param.name); });

TEST(RealNetwork, UnknownHostIsAnError) {
  RealEnv env;
  const auto connected = env.network().connect("no-such-host.invalid", 80, Duration::from_seconds(5));
  ASSERT_FALSE(connected.ok());
  EXPECT_NE(connected.error().message.find("no-such-host.invalid"), std::string::npos);
}

TEST(RealNetwork, Ipv6Loopback) {
  RealEnv env;
  auto listener = env.network().listen("::1", 0);
  if (!listener.ok()) GTEST_SKIP() << "no IPv6 on this machine: " << listener.error().message;
  auto client = env.network().connect("[::1]", (*listener)->port(), Duration::from_seconds(60));
  ASSERT_TRUE(client.ok());
  EXPECT_TRUE((*listener)->accept().ok());
}

TEST(SimulatedNetwork, CutBreaksBothEnds) {
  SimulatedEnv env(1, false);
  auto listener = std::move(env.network().listen("a", 7)).value();
  auto client = std::move(env.network().connect("b", 7, Duration{})).value();
  auto served = std::move(listener->accept()).value();
  env.network().cut_all();
  char buffer[4];
  EXPECT_FALSE(client->read(buffer, sizeof buffer).ok());
  EXPECT_FALSE(served->write(std::string_view("x")).ok());
  EXPECT_FALSE(listener->accept().ok());
  EXPECT_TRUE(env.network().listen("a", 7).ok());
}

TEST(SimulatedNetwork, RefusesOnDemand) {
  SimulatedEnv env(1, false);
  auto listener = std::move(env.network().listen("a", 7)).value();
  env.network().refuse_connections(true);
  EXPECT_FALSE(env.network().connect("a", 7, Duration{}).ok());
  env.network().refuse_connections(false);
  EXPECT_TRUE(env.network().connect("a", 7, Duration{}).ok());
}

TEST(RealClock, MonotonicNeverGoesBackAndSleepWaits) {
  RealEnv env;
  const Duration before = env.clock().monotonic();
  env.clock().sleep_for(Duration{2000});
  EXPECT_GE((env.clock().monotonic().micros - before.micros), 2000);
  EXPECT_GT(env.clock().now().micros, SimulatedClock::kStart.micros);
}

TEST(SimulatedClock, MovesOnlyWhenTold) {
  SimulatedClock clock;
  EXPECT_EQ(clock.now(), SimulatedClock::kStart);
  clock.sleep_for(Duration::from_seconds(5));
  EXPECT_EQ(clock.now(), SimulatedClock::kStart + Duration::from_seconds(5));
  EXPECT_EQ(clock.monotonic(), Duration::from_seconds(5));
  clock.jump_wall(Duration::from_seconds(-60));
  EXPECT_EQ(clock.now(), SimulatedClock::kStart - Duration::from_seconds(55));
  EXPECT_EQ(clock.monotonic(), Duration::from_seconds(5));
}

TEST(Random, SeedsDecideTheSimulatedOneOnly) {
  SimulatedEnv a(7);
  SimulatedEnv b(7);
  SimulatedEnv c(8);
  const uint64_t first = a.random().next();
  EXPECT_EQ(first, b.random().next());
  EXPECT_NE(first, c.random().next());
  RealEnv real;
  EXPECT_NE(real.random().next(), real.random().next());
}

}  // namespace
}  // namespace millrace
