# The alert rules of this folder, for the provider jupiterone/jupiterone. A test compares them with the
# JSON files. `ignore_previous_results` is not set, because the provider refuses it beside
# `trigger_on_new_only`; its default is false, as in the JSON files.

terraform {
  required_providers {
    jupiterone = {
      source = "jupiterone/jupiterone"
    }
  }
}

resource "jupiterone_rule" "nexthink_critical_alert_open" {
  name                = "nexthink-critical-alert-open"
  description         = "A critical Nexthink alert is open."
  spec_version        = 1
  polling_interval    = "ONE_HOUR"
  notify_on_failure   = true
  trigger_on_new_only = true

  question {
    queries {
      name            = "query0"
      query           = "FIND nexthink_alert WITH open = true AND severity = 'critical' AS alert RETURN alert.displayName AS alertName, alert.monitorNqlId AS monitorNqlId, alert.createdOn AS beganOn, alert.deviceUid AS deviceUid, alert.userUid AS userUid, alert._key AS alertKey"
      version         = "v1"
      include_deleted = false
    }
  }

  operations = [
    {
      when = jsonencode({
        type      = "FILTER"
        condition = ["AND", ["queries.query0.total", ">", 0]]
      })
      actions = [
        jsonencode({
          type           = "SET_PROPERTY"
          targetProperty = "alertLevel"
          targetValue    = "CRITICAL"
        }),
        jsonencode({
          type = "CREATE_ALERT"
        }),
      ]
    },
  ]

  outputs = ["queries.query0.total", "alertLevel"]
  tags    = []
  labels  = [{ label_name = "source", label_value = "nexthink" }]
}

resource "jupiterone_rule" "nexthink_alert_open_for_7_days" {
  name                = "nexthink-alert-open-for-7-days"
  description         = "A Nexthink alert of high or critical severity has been open for more than 7 days."
  spec_version        = 1
  polling_interval    = "ONE_DAY"
  notify_on_failure   = true
  trigger_on_new_only = true

  question {
    queries {
      name            = "query0"
      query           = "FIND nexthink_alert WITH open = true AND severity = ('critical' OR 'high') AND createdOn < date.now - 7 days AS alert RETURN alert.displayName AS alertName, alert.severity AS severity, alert.createdOn AS beganOn, alert.deviceUid AS deviceUid, alert.userUid AS userUid, alert._key AS alertKey"
      version         = "v1"
      include_deleted = false
    }
  }

  operations = [
    {
      when = jsonencode({
        type      = "FILTER"
        condition = ["AND", ["queries.query0.total", ">", 0]]
      })
      actions = [
        jsonencode({
          type           = "SET_PROPERTY"
          targetProperty = "alertLevel"
          targetValue    = "MEDIUM"
        }),
        jsonencode({
          type = "CREATE_ALERT"
        }),
      ]
    },
  ]

  outputs = ["queries.query0.total", "alertLevel"]
  tags    = []
  labels  = [{ label_name = "source", label_value = "nexthink" }]
}

resource "jupiterone_rule" "nexthink_device_silent_for_14_days" {
  name                = "nexthink-device-silent-for-14-days"
  description         = "A device has not reported to Nexthink for 14 days."
  spec_version        = 1
  polling_interval    = "ONE_DAY"
  notify_on_failure   = true
  trigger_on_new_only = true

  question {
    queries {
      name            = "query0"
      query           = "FIND nexthink_device WITH lastSeenOn < date.now - 14 days AS device RETURN device.displayName AS deviceName, device.serial AS serial, device.entity AS entity, device.lastSeenOn AS lastSeenOn, device._key AS deviceKey"
      version         = "v1"
      include_deleted = false
    }
  }

  operations = [
    {
      when = jsonencode({
        type      = "FILTER"
        condition = ["AND", ["queries.query0.total", ">", 0]]
      })
      actions = [
        jsonencode({
          type           = "SET_PROPERTY"
          targetProperty = "alertLevel"
          targetValue    = "LOW"
        }),
        jsonencode({
          type = "CREATE_ALERT"
        }),
      ]
    },
  ]

  outputs = ["queries.query0.total", "alertLevel"]
  tags    = []
  labels  = [{ label_name = "source", label_value = "nexthink" }]
}

resource "jupiterone_rule" "nexthink_unwanted_publisher" {
  name                = "nexthink-unwanted-publisher"
  description         = "A device has software of a publisher that is not wanted. The query holds the list of publishers."
  spec_version        = 1
  polling_interval    = "ONE_DAY"
  notify_on_failure   = true
  trigger_on_new_only = true

  question {
    queries {
      name            = "query0"
      query           = "FIND nexthink_package WITH publisher ~= 'AnyDesk' OR publisher ~= 'RustDesk' OR publisher ~= 'TeamViewer' AS package THAT INSTALLED << nexthink_device AS device RETURN package._key AS packageKey, package.publisher AS publisher, package.displayName AS packageName, device.displayName AS deviceName, device.entity AS entity, device._key AS deviceKey"
      version         = "v1"
      include_deleted = false
    }
  }

  operations = [
    {
      when = jsonencode({
        type      = "FILTER"
        condition = ["AND", ["queries.query0.total", ">", 0]]
      })
      actions = [
        jsonencode({
          type           = "SET_PROPERTY"
          targetProperty = "alertLevel"
          targetValue    = "MEDIUM"
        }),
        jsonencode({
          type = "CREATE_ALERT"
        }),
      ]
    },
  ]

  outputs = ["queries.query0.total", "alertLevel"]
  tags    = []
  labels  = [{ label_name = "source", label_value = "nexthink" }]
}

resource "jupiterone_rule" "nexthink_unsupported_os_build" {
  name                = "nexthink-unsupported-os-build"
  description         = "A device runs Windows 10 22H2 (build 19045), Windows 11 21H2 (build 22000) or Windows 11 22H2 (build 22621), which have left general support. The query holds the list of builds."
  spec_version        = 1
  polling_interval    = "ONE_DAY"
  notify_on_failure   = true
  trigger_on_new_only = true

  question {
    queries {
      name            = "query0"
      query           = "FIND nexthink_device WITH osType = 'windows' AND (osVersion ^= '19045.' OR osVersion ~= '.19045.' OR osVersion ^= '22000.' OR osVersion ~= '.22000.' OR osVersion ^= '22621.' OR osVersion ~= '.22621.') AS device RETURN device.displayName AS deviceName, device.osName AS osName, device.osVersion AS osVersion, device.entity AS entity, device._key AS deviceKey"
      version         = "v1"
      include_deleted = false
    }
  }

  operations = [
    {
      when = jsonencode({
        type      = "FILTER"
        condition = ["AND", ["queries.query0.total", ">", 0]]
      })
      actions = [
        jsonencode({
          type           = "SET_PROPERTY"
          targetProperty = "alertLevel"
          targetValue    = "HIGH"
        }),
        jsonencode({
          type = "CREATE_ALERT"
        }),
      ]
    },
  ]

  outputs = ["queries.query0.total", "alertLevel"]
  tags    = []
  labels  = [{ label_name = "source", label_value = "nexthink" }]
}

resource "jupiterone_rule" "nexthink_user_with_several_open_alerts" {
  name                = "nexthink-user-with-several-open-alerts"
  description         = "A user has two or more open Nexthink alerts."
  spec_version        = 1
  polling_interval    = "FOUR_HOURS"
  notify_on_failure   = true
  trigger_on_new_only = true

  question {
    queries {
      name            = "query0"
      query           = "FIND UNIQUE nexthink_alert WITH open = true AS alert THAT HAS << nexthink_user AS user THAT HAS >> nexthink_alert WITH open = true AS otherAlert WHERE alert._key != otherAlert._key RETURN user.displayName AS userName, user.department AS department, user._key AS userKey"
      version         = "v1"
      include_deleted = false
    }
  }

  operations = [
    {
      when = jsonencode({
        type      = "FILTER"
        condition = ["AND", ["queries.query0.total", ">", 0]]
      })
      actions = [
        jsonencode({
          type           = "SET_PROPERTY"
          targetProperty = "alertLevel"
          targetValue    = "MEDIUM"
        }),
        jsonencode({
          type = "CREATE_ALERT"
        }),
      ]
    },
  ]

  outputs = ["queries.query0.total", "alertLevel"]
  tags    = []
  labels  = [{ label_name = "source", label_value = "nexthink" }]
}

resource "jupiterone_rule" "nexthink_user_silent_for_90_days" {
  name                = "nexthink-user-silent-for-90-days"
  description         = "A user was not active for 90 days: an account to close, perhaps."
  spec_version        = 1
  polling_interval    = "ONE_DAY"
  notify_on_failure   = true
  trigger_on_new_only = true

  question {
    queries {
      name            = "query0"
      query           = "FIND nexthink_user WITH lastSeenOn < date.now - 90 days AS user RETURN user._key AS userKey, user.displayName AS userName, user.lastSeenOn AS seen"
      version         = "v1"
      include_deleted = false
    }
  }

  operations = [
    {
      when = jsonencode({
        type      = "FILTER"
        condition = ["AND", ["queries.query0.total", ">", 0]]
      })
      actions = [
        jsonencode({
          type           = "SET_PROPERTY"
          targetProperty = "alertLevel"
          targetValue    = "INFO"
        }),
        jsonencode({
          type = "CREATE_ALERT"
        }),
      ]
    },
  ]

  outputs = ["queries.query0.total", "alertLevel"]
  tags    = []
  labels  = [{ label_name = "source", label_value = "nexthink" }]
}
