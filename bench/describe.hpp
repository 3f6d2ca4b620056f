// describe.hpp: what the C++ programs of the benches say of their machine, as JSON takes it.
#pragma once

#include <fstream>
#include <string>
#include <string_view>

namespace ash::bench {

// The processor's name as the system gives it.
inline std::string processor() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    }
    return "unknown";
}

// Between quotes; control characters become spaces.
inline std::string json_text(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    return result + '"';
}

}  // namespace ash::bench
