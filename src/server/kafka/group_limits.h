// What consumer groups may be: settings of the listener.
#pragma once

#include <cstddef>

#include "base/time.h"

namespace millrace::server::kafka {

struct GroupLimits {
  Duration session_min = Duration::from_millis(100);
  Duration session_max = Duration::from_seconds(1800);
  Duration first_join_delay = Duration::from_millis(200);  ///< for the other members of a group that is starting
  /// What a group has committed is forgotten so long after it lost its last member, and after the commit itself.
  Duration offset_retention = Duration::from_seconds(7 * 24 * 3600);
  Duration expiry_interval = Duration::from_seconds(60);  ///< how often that is looked at
  size_t members_max = 1000;                               ///< of one group
  size_t groups_max = 10000;                               ///< that have members
};

}  // namespace millrace::server::kafka
