// SPDX-License-Identifier: Apache-2.0

internal import CWeirOnnx
internal import Glibc

/// The ONNX Runtime of this process: found and loaded when the first graph needs it, and kept.
///
/// It is looked for
/// 1. where the environment's `WEIR_ONNXRUNTIME` says: the library's file, or a folder that holds it;
/// 2. where the project file's `onnxruntime` says, in the same way;
/// 3. in the wheel `onnxruntime` of a Python environment: the active one (`VIRTUAL_ENV`), or `.venv` in one
///    of the folders given or above it;
/// 4. as a library of the system.
///
/// Who says where it is (1, 2) gets that one or an error.
public struct OnnxRuntime: Hashable, Sendable {
  /// What the project file says; a path that is not absolute counts from the first of `folders`.
  public var path: String?
  /// Where to look for Python environments: the project's folder, the program's.
  public var folders: [String]
  /// The environment's `WEIR_ONNXRUNTIME` and `VIRTUAL_ENV`.
  private let named: String?
  private let virtualEnvironment: String?

  public init(path: String? = nil, folders: [String] = []) {
    self.init(
      path: path, folders: folders, named: Self.environment("WEIR_ONNXRUNTIME"),
      virtualEnvironment: Self.environment("VIRTUAL_ENV"))
  }

  init(path: String?, folders: [String], named: String?, virtualEnvironment: String?) {
    self.path = path
    self.folders = folders
    self.named = named
    self.virtualEnvironment = virtualEnvironment
  }

  /// The version of the library that is loaded, such as "1.20.0"; `nil` before.
  public static var version: String? { weir_onnx_version().map { String(cString: $0) } }

  /// The file that was loaded; `nil` before.
  public static var loadedPath: String? { weir_onnx_path().map { String(cString: $0) } }

  /// Loads the library unless one is loaded. Cost: tens of milliseconds the first time.
  ///
  /// - Throws: `libraryMissing`, with where it was looked for and what to do.
  public func load() throws(RankerError) {
    if Self.version != nil { return }
    let told: (name: String, path: String)? =
      named.map { ("WEIR_ONNXRUNTIME", $0) }
      ?? path.map { ("the project's 'onnxruntime'", absolute($0)) }
    if let told {
      let file = Self.find(told.path + "/libonnxruntime.so*") ?? told.path
      if let reason = Self.load(file) {
        throw RankerError(
          .libraryMissing, "\(told.name) names '\(told.path)', which cannot be loaded: \(reason)")
      }
      return
    }
    var reasons: [String] = []
    let wheels = wheels
    for file in wheels + ["libonnxruntime.so.1", "libonnxruntime.so"] {
      guard let reason = Self.load(file) else { return }
      if wheels.contains(file) { reasons.append(reason) }
    }
    let detail = reasons.isEmpty ? "" : " (" + reasons.joined(separator: "; ") + ")"
    throw RankerError(
      .libraryMissing,
      "models need ONNX Runtime, which is not in a Python environment beside the project nor on this "
        + "machine\(detail); 'pip install onnxruntime' in .venv, or set WEIR_ONNXRUNTIME to "
        + "libonnxruntime.so")
  }

  /// The libraries of wheels, in the order in which they are tried.
  var wheels: [String] {
    var environments: [String] = virtualEnvironment.map { [$0] } ?? []
    for folder in folders {
      var parts = absolute(folder).split(separator: "/")
      while true {
        let root = parts.map { "/" + $0 }.joined()
        environments.append(root + "/.venv")
        guard parts.popLast() != nil else { break }
      }
    }
    var seen: Set<String> = []
    return environments.filter { seen.insert($0).inserted }.compactMap {
      Self.find($0 + "/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so*")
    }
  }

  private func absolute(_ path: String) -> String {
    if path.hasPrefix("/") { return path }
    let base = folders.first ?? "."
    if base.hasPrefix("/") { return base + "/" + path }
    var folder = [CChar](repeating: 0, count: 4_096)
    let here = getcwd(&folder, folder.count) == nil ? "" : Self.text(folder)
    return path == base ? here + "/" + path : here + "/" + base + "/" + path
  }

  private static func environment(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    return text.isEmpty ? nil : text
  }

  /// - Returns: why it cannot be loaded; `nil` when it was.
  private static func load(_ path: String) -> String? {
    withText { weir_onnx_load(path, &$0, $0.count) }
  }

  private static func find(_ pattern: String) -> String? {
    var path = [CChar](repeating: 0, count: 4_096)
    guard weir_onnx_find(pattern, &path, path.count) == 0 else { return nil }
    return text(path)
  }

  /// The text that a failing call left; `nil` when it returned 0.
  static func withText(_ call: (inout [CChar]) -> Int32) -> String? {
    var message = [CChar](repeating: 0, count: 1_024)
    return call(&message) == 0 ? nil : text(message)
  }

  static func text(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
