// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// Files of a folder beside the repository's root.
func filesOf(folder: String) -> [(name: String, bytes: [UInt8])] {
  var root = URL(fileURLWithPath: #filePath)
  for _ in 0..<4 { root.deleteLastPathComponent() }
  let url = root.appendingPathComponent(folder)
  let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
  return names.sorted().filter { $0.hasSuffix(".parquet") }.compactMap { name in
    (try? Data(contentsOf: url.appendingPathComponent(name))).map { (name, [UInt8]($0)) }
  }
}
