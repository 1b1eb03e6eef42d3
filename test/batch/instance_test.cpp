#include "batch/instance.h"

#include <gtest/gtest.h>

#include <duckdb.hpp>

#include "batch/binding.h"

namespace millrace::batch {
namespace {

class Instance : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = SqlInstance::open({.memory_limit_bytes = 256ULL << 20, .threads = 1});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    instance_ = std::move(opened).value();
  }
  std::string setting(const std::string& name) {
    Session session(*instance_);
    return session.connection().Query("SELECT current_setting('" + name + "')")->GetValue(0, 0).ToString();
  }
  bool refused(const std::string& sql) {
    Session session(*instance_);
    return session.connection().Query(sql)->HasError();
  }
  std::unique_ptr<SqlInstance> instance_;
};

TEST_F(Instance, IsSetAsItShouldBe) {
  EXPECT_EQ(setting("TimeZone"), "UTC");
  EXPECT_EQ(setting("threads"), "1");
  EXPECT_EQ(setting("memory_limit"), "256.0 MiB");
  EXPECT_EQ(setting("enable_external_access"), "false");
  EXPECT_EQ(setting("lock_configuration"), "true");
  EXPECT_EQ(setting("autoload_known_extensions"), "false");
  EXPECT_EQ(setting("autoinstall_known_extensions"), "false");
  EXPECT_EQ(setting("temp_directory"), "");
  EXPECT_NE(setting("disabled_optimizers").find("statistics_propagation"), std::string::npos);
}

TEST_F(Instance, ReachesNothingOutside) {
  const char* attempts[] = {"SELECT * FROM read_csv('/etc/passwd')",
                            "SELECT * FROM read_text('/etc/passwd')",
                            "FROM '/etc/passwd'",
                            "SELECT * FROM glob('/etc/*')",
                            "COPY (SELECT 1) TO 'millrace_must_not_exist.csv'",
                            "ATTACH 'millrace_must_not_exist.db'",
                            "INSTALL httpfs",
                            "LOAD httpfs",
                            "SET threads = 4",
                            "SET TimeZone = 'Europe/Berlin'",
                            "SET enable_external_access = true",
                            "RESET disabled_optimizers",
                            "SELECT getenv('HOME')",
                            "EXPORT DATABASE 'millrace_must_not_exist'",
                            "CREATE SECRET s (TYPE s3)"};
  for (const char* attempt : attempts) EXPECT_TRUE(refused(attempt)) << attempt;
}

TEST_F(Instance, SessionsShareTheDatabaseAndMove) {
  Session first(*instance_);
  ASSERT_FALSE(first.connection().Query("CREATE TABLE shared (x INTEGER)")->HasError());
  Session second(*instance_);
  Session moved(std::move(second));
  EXPECT_FALSE(moved.connection().Query("SELECT * FROM shared")->HasError());
  EXPECT_NE(&moved.context(), &first.context());
}

TEST_F(Instance, MemoryIsBounded) {
  EXPECT_TRUE(refused("SELECT count(*) FROM (SELECT DISTINCT hash(i) || repeat('x', 200) FROM range(5000000) r(i))"));
  EXPECT_FALSE(refused("SELECT 1"));
}

TEST(SqlInstance, RegistersBeforeTheLock) {
  auto opened =
      SqlInstance::open({}, [](duckdb::Connection& connection) { connection.Query("CREATE MACRO twice(x) AS x * 2"); });
  ASSERT_TRUE(opened.ok());
  Session session(**opened);
  EXPECT_EQ(session.connection().Query("SELECT twice(21)")->GetValue(0, 0).ToString(), "42");
}

}  // namespace
}  // namespace millrace::batch
