// The main of every target where there is no libFuzzer: the corpus once, so that what was found stays fixed.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <vector>

#include "fuzz.hpp"

namespace {

std::vector<char> content_of(const std::filesystem::path& file) {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

void run(const std::vector<char>& input) {
    // Of its own size, so that a sanitizer sees a read beyond its end.
    std::vector<std::uint8_t> copy{input.begin(), input.end()};
    LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return 2;
    }
    std::set<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator{argv[1]})
        files.insert(entry.path());
    run({});
    for (const auto& file : files) {
        // Shown if it is the one that ends the program.
        std::fprintf(stderr, "%s\n", file.filename().c_str());
        run(content_of(file));
    }
    std::printf("%zu inputs\n", files.size());
    return files.empty();
}
