#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <evercert/error.hpp>
#include <evercert/static_files.hpp>

#include "http/ascii.hpp"
#include "http/http_date.hpp"
#include "server/clean_path.hpp"
#include "server/conditional.hpp"

namespace evercert {

namespace {

// Read and encrypted at once: more does not make it cheaper, and each download has one.
constexpr std::size_t piece_size = 64 << 10;
// Goes out as one text, in the same call as its head.
constexpr std::uint64_t small_max = 15 << 10;
// Folders in a path: nobody nests deeper, and each is opened.
constexpr std::size_t depth_max = 64;

constexpr std::array<std::pair<std::string_view, std::string_view>, 33> built_in_types = {{
    {"avif", "image/avif"},
    {"css", "text/css; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"htm", "text/html; charset=utf-8"},
    {"html", "text/html; charset=utf-8"},
    {"ico", "image/vnd.microsoft.icon"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"map", "application/json"},
    {"md", "text/markdown; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"ogg", "audio/ogg"},
    {"otf", "font/otf"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"ttf", "font/ttf"},
    {"txt", "text/plain; charset=utf-8"},
    {"wasm", "application/wasm"},
    {"webm", "video/webm"},
    {"webmanifest", "application/manifest+json"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xml", "text/xml; charset=utf-8"},
    {"zip", "application/zip"},
}};

struct site {
    static_files_options options;
    std::string root;
};

/// What a path leads to.
struct found_file {
    std::shared_ptr<disk_file> file = {};
    std::string name = {};
    bool lacks_slash = false;  ///< a folder
};

bool is_hidden(std::string_view name) { return name.starts_with('.') && name != ".well-known"; }

/// Each name is opened inside the folder before: no link leads anywhere, and ".." is a hidden name.
found_file open_path(const site& of, std::string_view path) {
    found_file result;
    std::error_code failed;
    // Each time, so that a link to another release may take its place.
    std::unique_ptr<disk_folder> at = of.options.disk->open_folder(of.root, failed);
    for (std::size_t depth = 0; at && depth < depth_max; ++depth) {
        const auto slash = path.find('/');
        std::string name{path.substr(0, slash)};
        const bool last = slash == std::string_view::npos;
        if (last && name.empty())
            name = of.options.index;
        if (name.empty() || is_hidden(name) || name.find('\0') != std::string::npos)
            return {};
        if (last) {
            result.file = at->open_file(name, file_use::read, failed);
            result.lacks_slash = failed == std::errc::is_a_directory && at->open_folder(name, failed) != nullptr;
            result.name = std::move(name);
            return result;
        }
        at = at->open_folder(name, failed);
        path.remove_prefix(slash + 1);
    }
    return {};
}

std::string content_type(const static_files_options& options, std::string_view name) {
    const auto dot = name.rfind('.');
    const auto extension = lower_case(dot == std::string_view::npos ? std::string_view{} : name.substr(dot + 1));
    if (const auto own = options.types.find(extension); own != options.types.end())
        return own->second;
    const auto known = std::find_if(
        built_in_types.begin(), built_in_types.end(), [&](const auto& each) { return each.first == extension; });
    return std::string{known == built_in_types.end() ? "application/octet-stream" : known->second};
}

[[noreturn]] void throw_unreadable(const std::error_code& failed) {
    throw error{
        errc::connection_closed,
        failed ? "a file cannot be read: " + failed.message() : "a file became shorter while it was sent"};
}

std::string read_small(disk_file& file, byte_range part) {
    std::string content(static_cast<std::size_t>(part.size), '\0');
    for (std::size_t done = 0; done < content.size();) {
        std::error_code failed;
        const auto size = file.read(part.first + done, std::span{content}.subspan(done), failed);
        if (failed || size == 0)
            throw_unreadable(failed);
        done += size;
    }
    return content;
}

asio::awaitable<void> send_file(std::shared_ptr<disk_file> file, byte_range part, body_writer& out) {
    std::string piece(static_cast<std::size_t>(std::min<std::uint64_t>(part.size, piece_size)), '\0');
    while (part.size > 0) {
        std::error_code failed;
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(part.size, piece.size()));
        const auto size = file->read(part.first, std::span{piece}.first(wanted), failed);
        if (failed || size == 0)
            throw_unreadable(failed);
        co_await out.write(std::string_view{piece}.substr(0, size));
        part.first += size;
        part.size -= size;
    }
}

response give_file(const site& of, const request& asked, found_file found) {
    std::error_code failed;
    const auto info = found.file->info(failed);
    if (failed)
        throw_unreadable(failed);
    const auto etag = fmt::format("\"{:x}-{:x}\"", info.modified.time_since_epoch().count(), info.size);
    const validators current{etag, info.modified};
    response answer;
    answer.fields.add("ETag", etag);
    answer.fields.add("Last-Modified", http_date(info.modified));
    if (!of.options.cache_control.empty())
        answer.fields.add("Cache-Control", of.options.cache_control);
    switch (evaluate_conditions(asked.fields, current)) {
    case condition::not_modified: answer.status = 304; return answer;
    case condition::failed: return response{412};
    case condition::fulfilled: break;
    }
    byte_range part{0, info.size};
    answer.fields.add("Accept-Ranges", "bytes");
    // RFC 9110, section 14.2: Range is for GET alone.
    switch (asked.method == "GET" ? choose_range(asked.fields, current, info.size, part) : range_answer::whole) {
    case range_answer::unsatisfiable: {
        response refused{416};
        refused.fields.add("Content-Range", fmt::format("bytes */{}", info.size));
        return refused;
    }
    case range_answer::part:
        answer.status = 206;
        answer.fields.add(
            "Content-Range", fmt::format("bytes {}-{}/{}", part.first, part.first + part.size - 1, info.size));
        break;
    case range_answer::whole: break;
    }
    answer.fields.add("Content-Type", content_type(of.options, found.name));
    // A type that is guessed by a browser may be one that runs scripts.
    answer.fields.add("X-Content-Type-Options", "nosniff");
    if (part.size <= small_max) {
        answer.body = read_small(*found.file, part);
        return answer;
    }
    answer.producer = [file = std::move(found.file), part](body_writer& out) { return send_file(file, part, out); };
    answer.producer_size = part.size;
    return answer;
}

bool has_encoded_slash(std::string_view path) { return path.find("%2f") != path.npos || path.find("%2F") != path.npos; }

asio::awaitable<response> answer_by(std::shared_ptr<const site> of, request asked) {
    if (asked.method != "GET" && asked.method != "HEAD") {
        response refused{405};
        refused.fields.set("Allow", "GET, HEAD");
        co_return refused;
    }
    const auto wildcard = std::find_if(
        asked.path_values.begin(), asked.path_values.end(), [](const auto& each) { return each.first == "path"; });
    std::optional<std::string> path;
    // No file has a slash in its name, and where another handler has the folder this one must not be a way around it.
    if (has_encoded_slash(asked.path()))
        co_return response{404};
    if (wildcard != asked.path_values.end())
        path = wildcard->second;
    else if (asked.path().starts_with('/'))
        path = percent_decode(asked.path().substr(1));
    if (!path)
        co_return response{404};
    auto found = open_path(*of, *path);
    if (found.lacks_slash) {
        response moved{308};
        std::string location{asked.path()};
        location += '/';
        if (!asked.query().empty())
            location += "?" + std::string{asked.query()};
        // No other host: browsers take "//" in front, and a backslash, for the beginning of one.
        if (!is_clean_path(asked.path()) || location.find('\\') != std::string::npos)
            co_return response{404};
        moved.fields.set("Location", location);
        co_return moved;
    }
    if (!found.file)
        co_return response{404};
    co_return give_file(*of, asked, std::move(found));
}

}  // namespace

handler static_files(const std::string& root, static_files_options options) {
    auto made = std::make_shared<site>();
    if (!options.disk)
        options.disk = system_disk();
    std::error_code failed;
    made->root = root;
    options.disk->open_folder(root, failed);
    if (failed)
        throw error{
            errc::invalid_options,
            fmt::format("the folder {} cannot be served: {}", evercert::quoted(root), failed.message())};
    made->options = std::move(options);
    return
        [of = std::shared_ptr<const site>{std::move(made)}](request asked) { return answer_by(of, std::move(asked)); };
}

}  // namespace evercert
