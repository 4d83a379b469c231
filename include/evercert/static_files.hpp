#pragma once

#include <map>
#include <memory>
#include <string>

#include <evercert/disk.hpp>
#include <evercert/http.hpp>

namespace evercert {

struct static_files_options {
    /// What a folder is answered by; empty = 404. Folders are never listed.
    std::string index = "index.html";
    /// The `Cache-Control` of every file; empty = none.
    std::string cache_control = {};
    /// Content types by the extension without its dot, in lower case: before those that are built in. What has none is
    /// application/octet-stream.
    std::map<std::string, std::string, std::less<>> types = {};
    /// Where the files are; null = the machine's disk.
    std::shared_ptr<evercert::disk> disk = {};
};

/// Answers with the files below a folder:
///
///     manager.handle("/", evercert::static_files("/srv/www"));
///     manager.handle("/docs/{path...}", evercert::static_files("/srv/docs"));
///
/// The file is that of the wildcard `{path...}` if the pattern has one, else that of the whole path. A path with an encoded slash is
/// answered by 404, for a pattern that guards a folder does not see it. GET and HEAD; one range
/// (RFC 9110, section 14.2; a request for several is answered by the whole file, as that section allows); conditions (section 13) on an
/// ETag of size and time, and on `Last-Modified`. A folder without its slash is redirected to the one with it. Files go out
/// in pieces, in memory that does not grow with them.
///
/// Nothing outside the folder is reachable: each step of the path is opened inside the one before, ".." and symbolic links are not
/// followed, and names that begin with a dot are not there, but ".well-known". The folder itself may be a symbolic link, which may be made to
/// point to another release at any time. A file that is replaced by rename(2) is served whole, before or after; one that is cut while it is read ends the connection.
///
/// Files are read where the request runs: what a web server serves is in the page cache, from where 64 kB take a
/// fifth of what their encryption takes. For a disk that may hang, serve from another process.
///
/// Throws `error` with `errc::invalid_options` if the folder cannot be opened. The handler may be copied and called from any thread.
handler static_files(const std::string& root, static_files_options options = {});

}  // namespace evercert
