// Writes certificates as if they had been obtained: a folder as evercert's `file_store` lays it out, one as Go's
// autocert.DirCache does, and the root that clients are to trust.

#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include <CLI/CLI.hpp>

#include <evercert/error.hpp>
#include <evercert/file_store.hpp>

#include "issuing.hpp"
#include "manager/records.hpp"
#include "store/file_value.hpp"

namespace {

using namespace evercert;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

void write_file(const fs::path& path, const std::string& text) {
    std::ofstream out{path, std::ios::binary};
    out << text;
    out.close();
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    if (!out)
        throw error{errc::store_failed, "cannot write " + path.string()};
}

fs::path make_folder(const fs::path& path) {
    fs::create_directory(path);
    fs::permissions(path, fs::perms::owner_all);
    return path;
}

/// As a manager keeps it that obtained it, and asked the CA when to renew.
certificate_record record_of(const bench::issued& from, const std::string& directory_url, wall_time now) {
    auto held = std::make_shared<const held_certificate>(
        from.chain, from.key, from.names, from.valid.not_before, from.valid.not_after);
    certificate_record record{from.names, held, draw_for(from.chain)};
    record.directory_url = directory_url;
    record.window = suggested_window{from.valid.not_after - 31 * 24h, from.valid.not_after - 29 * 24h};
    record.poll_at = now + 6h;
    return record;
}

void fill(const fs::path& folder, std::size_t count, const std::string& directory_url) {
    const auto ours = folder / "evercert", theirs = make_folder(folder / "autocert");
    file_store(ours.string());
    const auto certificates = make_folder(ours / "certificates");
    const auto now = std::chrono::floor<std::chrono::seconds>(system_clock()->wall());
    const bench::issuing ca{{now - 24h, now + 89 * 24h}};
    write_file(folder / "root.pem", ca.root().chain_pem());
    for (std::size_t i = 0; i < count; ++i) {
        const auto name = bench::name_of(i);
        const auto one = ca.certificate_for(name, private_key::generate());
        // Not `store::save`, which syncs each of them.
        const auto text = write_pem_file(to_json(record_of(one, directory_url, now)), nullptr);
        write_file(certificates / (name + ".pem"), text.value());
        write_file(theirs / name, one.key + one.chain);
    }
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app{"Writes certificates into stores as evercert and autocert have them."};
    std::string folder, directory_url;
    std::size_t count = 10'000;
    app.add_option("--count", count, "how many")->capture_default_str();
    app.add_option("--directory", directory_url, "the ACME directory that they are said to come from")->required();
    app.add_option("folder", folder, "an empty folder")->required();
    CLI11_PARSE(app, argc, argv);
    fill(folder, count, directory_url);
    return EXIT_SUCCESS;
} catch (const std::exception& e) {
    std::cerr << "fill_stores: " << e.what() << '\n';
    return EXIT_FAILURE;
}
