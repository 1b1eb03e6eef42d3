#include "sql/secrets.h"

#include <gtest/gtest.h>

namespace millrace::sql {
namespace {

TEST(Secrets, PasswordsOfUrlsAndParametersAreMasked) {
  EXPECT_EQ(mask_passwords("url = 'postgresql://me:se/cret'"),
            "url = 'postgresql://me:se/cret'");  // no host: no password
  EXPECT_EQ(mask_passwords("url = 'postgresql://me:secret@db:5432/shop', table = 't'"),
            "url = 'postgresql://me:***@db:5432/shop', table = 't'");
  EXPECT_EQ(mask_passwords("postgresql://me:p@ss@db/shop?sslmode=off&PASSWORD=abc&sslpassword=x'"),
            "postgresql://me:***@db/shop?sslmode=off&PASSWORD=***&sslpassword=***'");
  EXPECT_EQ(mask_passwords("postgresql://me@db:5432/shop"), "postgresql://me@db:5432/shop");
  EXPECT_EQ(mask_passwords("SELECT 'http://a/b:c@d'"), "SELECT 'http://a/b:c@d'");
  EXPECT_EQ(mask_passwords(""), "");
}

}  // namespace
}  // namespace millrace::sql
