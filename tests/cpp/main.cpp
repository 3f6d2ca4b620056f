// The main function of the C++ tests; `ash_tests --help` explains how to select tests. Many tests compare the core with
// a naive twin: a plain and slow implementation of the same definition.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "ash/train/parallel.hpp"

namespace {

// libomp 19 with Archer ends in a segmentation fault if the first thread to use OpenMP is not the main thread.
const bool kOpenMPHasBegun = [] {
    ash::in_critical_section([] {});
    return true;
}();

}  // namespace
