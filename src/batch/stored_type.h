// How a type is written down in a stored plan.
#pragma once

#include <string>

#include "batch/type.h"

namespace millrace::batch {

/// Type::parse gives the same type back, also of a struct whose fields have no names, as row(a, b) makes: its name()
/// is for people alone.
std::string stored_name(const Type& type);

}  // namespace millrace::batch
