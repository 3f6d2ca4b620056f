// The main function of the C++ tests; see `ash_tests --help` for how to choose among them.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "ash/train/parallel.hpp"

namespace {

// libomp 19 with Archer ends in a segmentation fault when the first thread to use OpenMP is not the main one.
const bool kOpenMPHasBegun = [] {
    ash::in_critical_section([] {});
    return true;
}();

}  // namespace
