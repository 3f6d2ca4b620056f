// The main function of the C++ tests; see `ash_tests --help` for how to choose among them.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
