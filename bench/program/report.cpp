#include "report.hpp"

#include <sys/utsname.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "arguments.hpp"
#include "ash/build_info.hpp"
#include "ash/kernels/kernels.hpp"

namespace ash::bench {
namespace {

constexpr const char* kPartial = ".partial";  // behind the name of a file that is being written

std::string date() {
    const std::time_t now = std::time(nullptr);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S+00:00", std::gmtime(&now));
    return text.data();
}

std::string load() {
    std::array<double, 3> loads{};
    if (getloadavg(loads.data(), static_cast<int>(loads.size())) != 3) return "unknown";
    std::array<char, 96> text{};
    std::snprintf(text.data(), text.size(), "%.2f %.2f %.2f", loads[0], loads[1], loads[2]);
    return text.data();
}

std::string system_name() {
    utsname names{};
    return uname(&names) == 0 ? std::string(names.sysname) + " " + names.release : "unknown";
}

}  // namespace

std::string number(double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.9g", value);
    return text.data();
}

std::string list(std::span<const double> values) {
    std::string result = "[";
    for (const double value : values) result += (result.size() > 1 ? ", " : "") + number(value);
    return result + "]";
}

std::string object(const Results& members) {
    std::string result = "{";
    for (const auto& [key, value] : members) result += (result.size() > 1 ? ", " : "") + json_text(key) + ": " + value;
    return result + "}";
}

Results machine() {
    namespace info = build_info;
    const std::string cpus = std::to_string(std::thread::hardware_concurrency());
    return {{"processor", json_text(processor())},
            {"processors", json_text(std::to_string(allowed_cpus()) + " allowed of " + cpus)},
            {"system", json_text(system_name())},
            {"load", json_text(load())},
            {"commit", json_text(info::kCommit)},
            {"date", json_text(date())},
            {"core version", json_text(info::kVersion)},
            {"core compiler", json_text(info::kCompiler)},
            {"core build_type", json_text(info::kBuildType)},
            {"core flags", json_text(std::string(info::kFlags) + "; kernels: " + info::kKernelFlags)},
            {"core openmp", json_text(info::kOpenMP)},
            {"core instruction_set", json_text(available_kernels().front()->name)}};
}

std::string report(const Results& machine, const std::string& table, double seconds, const Results& results) {
    std::string text = "{\n\"machine\": " + object(machine) + ",\n\"quick\": false,\n\"table\": " + json_text(table) +
                       ",\n\"seconds\": " + number(seconds) + ",\n\"results\": {";
    for (const auto& [key, value] : results) {
        text += (&key == &results.front().first ? "\n " : ",\n ") + json_text(key) + ": " + value;
    }
    return text + "\n}\n}\n";
}

bool writable(const std::string& path) {
    std::error_code none;
    if (std::filesystem::is_directory(path, none) || !std::ofstream(path + kPartial)) return false;
    std::filesystem::remove(path + kPartial, none);
    return true;
}

void write(const std::string& path, const std::string& text) {
    if (path.empty()) {
        std::cout << text << std::flush;
        if (!std::cout) throw std::runtime_error("cannot write to standard output");
        return;
    }
    const std::string beside = path + kPartial;
    {
        std::ofstream file(beside);
        file << text;
        if (!file.flush()) throw std::runtime_error("cannot write " + beside);
    }
    std::error_code error;
    std::filesystem::rename(beside, path, error);
    if (error) throw std::runtime_error("cannot write " + path + ": " + error.message());
}

}  // namespace ash::bench
