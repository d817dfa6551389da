-- Access for Nexthink's support: given or taken, when and by whom.
select "occurredOn", account, message
from nexthink_audit_event
where action = 'support-access'
order by "observedOn" desc
