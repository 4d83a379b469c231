#pragma once

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <unistd.h>

namespace evercert::crypto_test {

/// A folder for the files of one test, removed with it.
class scratch_folder {
public:
    scratch_folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "evercert-crypto-XXXXXX").string();
        path_ = mkdtemp(pattern.data());
    }
    ~scratch_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    scratch_folder(const scratch_folder&) = delete;
    scratch_folder& operator=(const scratch_folder&) = delete;

    std::string file(std::string_view name) const { return path_ / name; }
    /// Returns its path.
    std::string write(std::string_view name, std::string_view content) const {
        std::ofstream{file(name), std::ios::binary} << content;
        return file(name);
    }
    std::string read(std::string_view name) const {
        std::ifstream in{file(name), std::ios::binary};
        return {std::istreambuf_iterator<char>{in}, {}};
    }

private:
    std::filesystem::path path_;
};

struct command_result {
    int status = -1;
    std::string output;  ///< standard output and error
};

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
