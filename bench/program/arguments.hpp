// arguments.hpp: the command line of ash_bench.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace ash::bench {

extern const char* const kHelp;

// What is wrong with the command line, in a sentence: exit status 2.
struct UsageError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Arguments {
    std::vector<std::int64_t> threads;  // sorted, each once, 1 among them
    std::vector<std::int64_t> models{128, 256, 512, 1024, 2048};
    std::int64_t rounds = 3;
    std::string json;  // the file to write
    bool help = false;
};

// Throws UsageError. words: without the program's name.
Arguments read_arguments(std::span<const char* const> words);

// CPUs that the affinity mask of this process allows.
int allowed_cpus();

}  // namespace ash::bench
