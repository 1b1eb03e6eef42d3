// Precompiled for every test program.
#include "std_pch.h"

#include <gtest/gtest.h>
