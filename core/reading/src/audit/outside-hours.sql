-- Changes on a weekend, or before 7 and after 19 o'clock in UTC.
select "occurredOn", action, account, message
from nexthink_audit_event
where action in ('user-change', 'role-change', 'api-credential-change', 'support-access',
                 'remote-action', 'content-grant', 'hierarchy-change')
  and (extract(hour from "occurredOn") not between 7 and 18
       or extract(dow from "occurredOn") in (0, 6))
order by "observedOn" desc
