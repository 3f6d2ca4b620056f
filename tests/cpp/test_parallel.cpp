// Tests the functions that run a body on several threads: each thread runs the body once, only one thread at a time is
// in the critical section, and no exception is lost, even if the system refuses threads.
#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <iterator>
#include <new>
#include <stdexcept>
#include <thread>
#include <vector>

#include "ash/train/parallel.hpp"

#if !defined(_WIN32)
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ASH_THREAD_SANITIZER
#endif
#endif

namespace {

// Opens a parallel region in the same way as the tuner.
template <typename Body>
void region(int threads, Body&& body, const std::function<void()>& on_failure = [] {}) {
    std::exception_ptr thrown;
    std::thread([&] {
        try {
            ash::parallel(threads, body, on_failure);
        } catch (...) {
            thrown = std::current_exception();
        }
    }).join();
    if (thrown) std::rethrow_exception(thrown);
}

}  // namespace

TEST_CASE("every body runs once, whatever the number of threads") {
    for (const int threads : {1, 2, 3, 7}) {
        std::vector<std::atomic<int>> runs(static_cast<std::size_t>(threads));
        const auto count = [&](int thread) { ++runs[static_cast<std::size_t>(thread)]; };
        region(threads, count);
        for (const std::atomic<int>& each : runs) CHECK(each == 1);
        ash::on_threads(threads, count);
        for (const std::atomic<int>& each : runs) CHECK(each == 2);
    }
}

TEST_CASE("F85 parallel tells all bodies about the first exception of any kind, and rethrows it outside") {
    for (const int threads : {1, 2, 7}) {
        std::atomic<bool> told{false};
        const auto first_throws = [&](auto thrown) {
            told = false;
            region(
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

TEST_CASE("on_threads rethrows the first exception of any kind after all bodies have run") {
    for (const int count : {1, 2, 7}) {
        std::atomic<int> ran{0};
        const auto all_throw = [&](int) {
            ++ran;
            throw std::runtime_error("broken");
        };
        CHECK_THROWS_WITH_AS(ash::on_threads(count, all_throw), "broken", std::runtime_error);
        CHECK(ran == count);
    }
}

TEST_CASE("the critical section admits one thread at a time and propagates exceptions") {
    int count = 0;
    region(4, [&](int) {
        for (int i = 0; i < 10'000; ++i) ash::in_critical_section([&] { ++count; });
    });
    CHECK(count == 40'000);
    CHECK_THROWS_AS(ash::in_critical_section([] { throw std::bad_alloc(); }), std::bad_alloc);
    ash::in_critical_section([&] { ++count; });
    CHECK(count == 40'001);
}

TEST_CASE("as many threads can be started as are requested") {
    for (const int wanted : {1, 2, 9}) CHECK(ash::startable(wanted) == wanted);
}

#if !defined(_WIN32)  // Windows has neither fork nor limits

namespace {

// Runs a function in a child process and returns whether it returned true within 30 seconds.
template <typename Function>
bool in_child(Function function) {
    const pid_t child = fork();
    if (child == 0) {
        alarm(30);
        _exit(function() ? 0 : 1);
    }
    int status = -1;
    REQUIRE(child > 0);
    REQUIRE(waitpid(child, &status, 0) == child);
    return status == 0;
}

[[maybe_unused]] std::ptrdiff_t threads_alive() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

}  // namespace

// The thread sanitizer does not support threads after a fork.
#if !defined(__SANITIZE_THREAD__) && !defined(ASH_THREAD_SANITIZER)

// If a process forks after a region, as multiprocessing does, the next region must work in the child.
TEST_CASE("a fork after use never hangs") {
    region(4, [](int) {});
#if defined(__SANITIZE_ADDRESS__)
    // Locks of the sanitizer of g++ 12 break if a process forks while a thread ends, so wait until all have ended.
    while (threads_alive() > 1) std::this_thread::yield();
#endif
    CHECK(in_child([] {
        region(4, [](int) {});
        return true;
    }));
}

TEST_CASE("F80 a child forked while other threads are in the critical section can enter it") {
    std::atomic<bool> over{false};
    std::vector<std::thread> others;
    for (int i = 0; i < 3; ++i) {
        others.emplace_back([&] {
            while (!over) ash::in_critical_section([] {});
        });
    }
    int entered = 0;
    for (int i = 0; i < 50; ++i) {
        entered += in_child([] {
            ash::in_critical_section([] {});
            return true;
        });
    }
    over = true;
    for (std::thread& each : others) each.join();
    CHECK(entered == 50);
}

#if !defined(__SANITIZE_ADDRESS__)  // the sanitizer's shadow memory exceeds these limits

// Limits the address space of this process to its current size plus `more` bytes.
bool limit_memory(std::size_t more) {
    std::size_t pages = 0;
    std::FILE* file = std::fopen("/proc/self/statm", "r");
    const bool read = file != nullptr && std::fscanf(file, "%zu", &pages) == 1;
    if (file != nullptr) std::fclose(file);
    const rlim_t bytes = pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + more;
    const rlimit limit{bytes, bytes};
    return read && setrlimit(RLIMIT_AS, &limit) == 0;
}

TEST_CASE("R3 threads without enough memory are not started, and the other threads do the work") {
    constexpr std::size_t kStack = std::size_t{8} << 20;
    for (const std::size_t stacks : {0, 1, 2, 3, 5, 9}) {
        CAPTURE(stacks);
        CHECK(in_child([&] {
            setenv("OMP_STACKSIZE", "8M", 1);
            if (!limit_memory(stacks * kStack + (std::size_t{1} << 20))) return false;
            const int started = ash::startable(16);
            std::atomic<int> ran{0};
            ash::on_threads(16, [&](int) { ++ran; });
            if (ran != 16) return false;
            if (started == 0) return stacks < 2;
            ran = 0;
            region(started, [&](int) { ++ran; });
            return ran == started && started < 16;
        }));
    }
}

TEST_CASE("R3 with an impossible OpenMP stack size, only one thread is started") {
    CHECK(in_child([] {
        setenv("OMP_STACKSIZE", "999999G", 1);
        return ash::startable(16) == 1;
    }));
}

#endif
#endif
#endif
