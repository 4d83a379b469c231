#include "store/durable_file.hpp"

#include <memory>

#include "store/document.hpp"
#include "store/file_io.hpp"

namespace evercert {
namespace {

/// The file that is being written: removed unless it became the real one.
class beside {
public:
    beside(disk_folder& folder, std::string name) : folder_{folder}, name_{std::move(name)} {}
    ~beside() {
        std::error_code ignored;
        if (!name_.empty())
            folder_.remove(name_, ignored);
    }
    beside(const beside&) = delete;
    void became_real() { name_.clear(); }

private:
    disk_folder& folder_;
    std::string name_;
};

struct split_path {
    std::string folder, name;
};

split_path split(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos)
        return {".", path};
    return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

std::unique_ptr<disk_folder> open_folder(disk& on, const std::string& path) {
    std::error_code failed;
    auto folder = on.open_folder(path, failed);
    check_file(failed, "open the folder", path);
    return folder;
}

void copy_file(disk_folder& folder, const std::string& from, const std::string& to, const std::string& path) {
    std::error_code failed;
    const auto original = folder.open_file(from, file_use::read, failed);
    check_file(failed, "open", path);
    const auto copy = folder.open_file(to, file_use::create, failed);
    check_file(failed, "keep the previous generation of", path);
    write_whole(*copy, read_whole(*original, document_size_max, path), path);
    copy->sync(failed);
    check_file(failed, "fsync the previous generation of", path);
}

void keep_previous(disk_folder& folder, const std::string& name, const std::string& path) {
    const auto kept = name + ".previous", fresh = name + ".previous.new";
    std::error_code failed;
    folder.remove(fresh, failed);
    folder.link(name, folder, fresh, failed);
    if (failed == std::errc::no_such_file_or_directory)
        return;  // the first generation
    const beside unfinished{folder, fresh};
    if (has_no_links(failed))
        copy_file(folder, name, fresh, path);
    else
        check_file(failed, "keep the previous generation of", path);
    folder.rename(fresh, folder, kept, failed);
    check_file(failed, "keep the previous generation of", path);
}

}  // namespace

std::optional<std::string> read_file(disk& on, const std::string& path, std::size_t size_max) {
    std::error_code failed;
    const auto file = on.open_file(path, failed);
    if (failed == std::errc::no_such_file_or_directory)
        return {};
    check_file(failed, "open", path);
    return read_whole(*file, size_max, path);
}

void check_replaceable(disk& on, const std::string& path) {
    std::error_code failed;
    const auto folder = on.open_folder(split(path).folder, failed);
    if (folder)
        folder->check_writable(failed);
    // A disk with errors is remounted so: what the file has is served, and each save says what is wrong.
    if (failed != std::errc::read_only_file_system)
        check_file(failed, "write to the folder of", path);
}

void replace_file(disk& on, const std::string& path, std::string_view content) {
    const auto at = split(path);
    const auto folder = open_folder(on, at.folder);
    const auto fresh = at.name + ".new", fresh_path = path + ".new";
    std::error_code failed;
    folder->remove(fresh, failed);  // of a run that was killed while it wrote
    const auto file = folder->open_file(fresh, file_use::create, failed);
    check_file(failed, "create", fresh_path);
    beside unfinished{*folder, fresh};
    write_whole(*file, content, fresh_path);
    file->sync(failed);
    check_file(failed, "fsync", fresh_path);
    file->close(failed);
    check_file(failed, "close", fresh_path);
    keep_previous(*folder, at.name, path);
    folder->rename(fresh, *folder, at.name, failed);
    check_file(failed, "replace", path);
    unfinished.became_real();
    folder->sync(failed);
    check_file(failed, "fsync", at.folder);
}

}  // namespace evercert
