// SPDX-License-Identifier: Apache-2.0

internal import WeirTable

/// What somebody may do in a namespace. Each level includes those before it.
public enum AccessLevel: Int, Comparable, Sendable {
  /// Load and list tables and views, plan scans, report metrics.
  case read
  /// Create, commit, rename, register and drop tables and views.
  case write
  /// Create and drop namespaces and change their properties.
  case admin

  /// The name in files and messages.
  public var name: String {
    switch self {
    case .read: "read"
    case .write: "write"
    case .admin: "admin"
    }
  }

  /// The level of that name.
  public init?(name: String) {
    switch name {
    case "read": self = .read
    case "write": self = .write
    case "admin": self = .admin
    default: return nil
    }
  }

  public static func < (left: AccessLevel, right: AccessLevel) -> Bool {
    left.rawValue < right.rawValue
  }
}

/// Leave to do something in a namespace and in all below it.
struct Grant: Hashable, Sendable {
  /// Levels from the outermost inwards; empty for the whole catalog.
  var levels: [String]
  var access: AccessLevel
}

/// Who sent a request, and what that one may do.
struct Principal: Sendable {
  /// The name of the client, for the log and for keeping the requests of clients apart.
  var id: String
  var grants: [Grant]

  /// Someone who may do everything.
  static func unrestricted(id: String) -> Principal {
    Principal(id: id, grants: [Grant(levels: [], access: .admin)])
  }

  /// Whether the grants allow `access` in `namespace`, whether or not it exists.
  func may(_ access: AccessLevel, in namespace: Namespace) -> Bool {
    grants.contains { $0.access >= access && namespace.levels.starts(with: $0.levels) }
  }

  /// Whether the namespace may be shown in a list: something may be read in it or below it.
  func maySee(_ namespace: Namespace) -> Bool {
    grants.contains {
      namespace.levels.starts(with: $0.levels) || $0.levels.starts(with: namespace.levels)
    }
  }

  /// Throws when `access` is not allowed. Nothing about what exists is told.
  func require(_ access: AccessLevel, in namespace: Namespace) throws(RESTError) {
    guard may(access, in: namespace) else {
      let verb = access == .admin ? "administer" : access.name
      throw .forbidden(
        "client '\(id)' may not \(verb) in namespace \(namespace); "
          + "whoever runs this server can grant it")
    }
  }
}
