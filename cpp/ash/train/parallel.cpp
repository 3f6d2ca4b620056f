#include "ash/train/parallel.hpp"

#include <pthread.h>
#if defined(__GLIBC__)
#include <execinfo.h>
#endif

#include <atomic>
#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <limits>
#include <string_view>

namespace ash {
namespace {

// The number of threads in the critical section or waiting for it, and the number of forks that are in progress or wait
// until there are no such threads. A thread counts itself before it looks for forks, and a fork counts itself before it
// looks for threads. All accesses are sequentially consistent, so at least one of the two sees the other.
std::atomic<int> inside{0};
std::atomic<int> forks{0};

#if !defined(_WIN32)  // Windows has no fork
void before_fork() {
    ++forks;
    while (inside > 0) std::this_thread::yield();
}

void after_fork() {
    --forks;
    forks.notify_all();
}

// Only the forking thread exists in the child, so no other fork can be in progress there.
void after_fork_in_child() { forks = 0; }

[[maybe_unused]] const int at_fork = pthread_atfork(before_fork, after_fork, after_fork_in_child);
#endif

constexpr std::size_t kRoom = std::size_t{16} << 10;    // bytes that has_room() tries to allocate
constexpr std::size_t kTables = std::size_t{64} << 10;  // bytes for OpenMP's tables, without the tables per thread
constexpr std::size_t kTablesOfThread = std::size_t{4} << 10;  // bytes for OpenMP's tables per thread

// Returns the bytes in OMP_STACKSIZE or, if that is unset, in GOMP_STACKSIZE. As in OpenMP, the value is a number
// followed by B, K, M or G, or a number of KiB without a letter. Returns 0 if both are unset or the value is invalid.
std::size_t stack_bytes() {
    const char* text = std::getenv("OMP_STACKSIZE");
    if (text == nullptr) text = std::getenv("GOMP_STACKSIZE");
    if (text == nullptr) return 0;
    char* end = nullptr;
    const unsigned long long number = std::strtoull(text, &end, 10);
    while (std::isspace(static_cast<unsigned char>(*end)) != 0) ++end;
    constexpr std::string_view kUnits = "BKMG";
    const char unit = *end == '\0' ? 'K' : static_cast<char>(std::toupper(static_cast<unsigned char>(*end)));
    const std::size_t place = kUnits.find(unit);
    if (place == std::string_view::npos) return 0;
    const std::size_t shift = 10 * place;
    return number > (std::numeric_limits<std::size_t>::max() >> shift) ? 0 : static_cast<std::size_t>(number) << shift;
}

class Attributes {
  public:
    explicit Attributes(std::size_t stack) {
        pthread_attr_init(&value_);
        if (stack > 0) pthread_attr_setstacksize(&value_, stack);  // an invalid size has no effect, as in OpenMP
    }
    Attributes(const Attributes&) = delete;
    Attributes& operator=(const Attributes&) = delete;
    ~Attributes() { pthread_attr_destroy(&value_); }

    const pthread_attr_t* get() const { return &value_; }

  private:
    pthread_attr_t value_{};
};

// Starts threads that wait until the end of the scope, to find out how many the system grants.
class Probes {
  public:
    explicit Probes(int most) { threads_.reserve(static_cast<std::size_t>(most)); }
    Probes(const Probes&) = delete;
    Probes& operator=(const Probes&) = delete;
    ~Probes() {
        over_ = true;
        over_.notify_all();
        for (const pthread_t thread : threads_) pthread_join(thread, nullptr);
    }

    // Starts one more thread. Returns false if the system refused it. REQUIRES: fewer than `most` threads were started.
    bool start(const Attributes& attributes) {
        const auto wait = [](void* over) -> void* {
            static_cast<std::atomic<bool>*>(over)->wait(false);
            return nullptr;
        };
        pthread_t thread{};
        if (pthread_create(&thread, attributes.get(), wait, &over_) != 0) return false;
        threads_.push_back(thread);
        return true;
    }

  private:
    std::atomic<bool> over_{false};
    std::vector<pthread_t> threads_;
};

}  // namespace

void enter_critical_section() noexcept {
    for (++inside; forks > 0; ++inside) {
        --inside;
        for (int waiting = forks; waiting > 0; waiting = forks) forks.wait(waiting);
    }
}

void leave_critical_section() noexcept { --inside; }

bool has_room() noexcept {
    void* room = std::malloc(kRoom);  // operator new could throw
    if (room == nullptr) return false;
    *static_cast<volatile char*>(room) = 0;  // keeps compilers from removing malloc() and free()
    std::free(room);
    return std::uncaught_exceptions() >= 0;  // allocates the memory for exceptions
}

int startable(int wanted) {
#if defined(__GLIBC__)
    // OpenMP's threads end by pthread_exit(). Its first call loads libgcc_s, and glibc ends the process if there is no
    // memory for that. backtrace() loads the library ahead of time.
    void* frame = nullptr;
    [[maybe_unused]] static const int loaded = backtrace(&frame, 1);
#endif
    // OpenMP also ends the process if it cannot allocate its own tables: a few hundred bytes per thread.
    const std::vector<char> room(kTables + static_cast<std::size_t>(wanted) * kTablesOfThread);
    Probes probes(wanted);
    if (!probes.start(Attributes(0))) return 0;
    const Attributes of_region(stack_bytes());
    int count = 1;
    while (count < wanted && probes.start(of_region)) ++count;
    return count;
}

}  // namespace ash
