-- Failed logins by account, the most first; the account that failed is often only in the message.
select account, details, count(*) as failures, min("occurredOn") as first, max("occurredOn") as last
from nexthink_audit_event
where action in ('failed-login', 'lock')
group by account, details
order by failures desc, last desc
