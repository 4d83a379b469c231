#pragma once

#include <array>
#include <cstdio>
#include <string>

#include "temp_folder.hpp"

namespace evercert::crypto_test {

struct command_result {
    int status = -1;
    std::string output;  ///< standard output and error
};

/// A file with this content; returns its path.
inline std::string write(const test::temp_folder& folder, const std::string& name, const std::string& content) {
    test::write_all_to(folder.file(name), content);
    return folder.file(name);
}

/// Another implementation's opinion of what evercert writes: the `openssl` program.
inline command_result openssl(const std::string& arguments) {
    const std::string command = "openssl " + arguments + " 2>&1 </dev/null";
    command_result result;
    std::FILE* pipe = popen(command.c_str(), "r");
    if (!pipe)
        return result;
    std::array<char, 4096> buffer;
    while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), pipe))
        result.output.append(buffer.data(), size);
    result.status = pclose(pipe);
    return result;
}

inline bool has_openssl() {
    static const bool found = openssl("version").status == 0;
    return found;
}

}  // namespace evercert::crypto_test
