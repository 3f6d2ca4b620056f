// The two OpenMP constructs: every body once, one at a time in the critical section, and no exception lost.
#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <new>
#include <stdexcept>
#include <thread>
#include <vector>

#include "ash/train/parallel.hpp"

#if !defined(_WIN32)
#include <sys/wait.h>
#include <unistd.h>
#endif

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ASH_THREAD_SANITIZER
#endif
#endif

TEST_CASE("parallel runs every body once, whatever the number of threads") {
    for (const int threads : {1, 2, 3, 7}) {
        std::vector<std::atomic<int>> runs(static_cast<std::size_t>(threads));
        ash::parallel(threads, [&](int thread) { ++runs[static_cast<std::size_t>(thread)]; });
        for (const std::atomic<int>& each : runs) CHECK(each == 1);
    }
}

TEST_CASE("F85 parallel throws the first exception of any kind, outside, and tells the others") {
    for (const int threads : {1, 2, 7}) {
        std::atomic<bool> told{false};
        const auto first_throws = [&](auto thrown) {
            told = false;
            ash::parallel(
                threads,
                [&](int thread) {
                    if (thread == 0) throw thrown;
                    while (!told) std::this_thread::yield();
                },
                [&] { told = true; });
        };
        CHECK_THROWS_AS(first_throws(std::bad_alloc()), std::bad_alloc);
        CHECK_THROWS_WITH_AS(first_throws(std::runtime_error("broken")), "broken", std::runtime_error);
        CHECK_THROWS_AS(first_throws(7), int);
        CHECK(told);
    }
}

TEST_CASE("the critical section lets one in at a time, and exceptions out") {
    int count = 0;
    ash::parallel(4, [&](int) {
        for (int i = 0; i < 10'000; ++i) ash::in_critical_section([&] { ++count; });
    });
    CHECK(count == 40'000);
    CHECK_THROWS_AS(ash::in_critical_section([] { throw std::bad_alloc(); }), std::bad_alloc);
    ash::in_critical_section([&] { ++count; });
    CHECK(count == 40'001);
}

#if !defined(_WIN32)  // which has no fork

namespace {

[[maybe_unused]] std::ptrdiff_t threads_alive() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

}  // namespace

// A process that forks after a region, as multiprocessing does, must find the next region working in the child. The
// thread sanitizer does not support threads after a fork; there the child has nothing to do.
TEST_CASE("a fork after use never hangs") {
    ash::parallel(4, [](int) {});
#if defined(__SANITIZE_ADDRESS__)
    // The sanitizer of g++ 12 has locks of its own that do not outlive a fork while a thread ends, as some still may.
    while (threads_alive() > 1) std::this_thread::yield();
#endif
    const pid_t child = fork();
    if (child == 0) {
        alarm(30);
#if !defined(__SANITIZE_THREAD__) && !defined(ASH_THREAD_SANITIZER)
        ash::parallel(4, [](int) {});
#endif
        _exit(0);
    }
    REQUIRE(child > 0);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}

#endif
