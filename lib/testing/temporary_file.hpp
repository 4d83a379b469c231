#pragma once

#include <string>
#include <string_view>

namespace evercert::testing {

/// A file with this content that nobody else can read, until the object is destroyed.
class temporary_file {
public:
    /// Throws `error` with `errc::store_failed`.
    explicit temporary_file(std::string_view content);
    ~temporary_file();
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;

    const std::string& path() const { return path_; }

private:
    std::string path_;
};

}  // namespace evercert::testing
