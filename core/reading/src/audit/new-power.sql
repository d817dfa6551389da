-- New administrators, changed roles, and API credentials: who did it, and to whom.
select "occurredOn", action, account, message
from nexthink_audit_event
where action in ('role-change', 'api-credential-change')
   or (action = 'user-change' and lower(message) like '%admin%')
order by "observedOn" desc
