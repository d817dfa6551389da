-- Failed logins by account, most first.
-- Where the system tells of one, the account that failed is a pair of the message or, in the form of the classic
-- interface, the end of its sentence.
select coalesce(
         replace(replace(
           regexp_match(details, '(?:^\{|,)"(?:name|user|username|login)":"((?:[^"\\]|\\.)*)"')[1],
           '\"', '"'), '\\', '\'),
         regexp_match(message, '^User account failed login attempts - wrong password of (.+)$')[1],
         account) as who,
       account as told_by, count(*) as failures,
       min("occurredOn") as first, max("occurredOn") as last
from nexthink_audit_event
where action in ('failed-login', 'lock')
group by 1, 2
order by failures desc, last desc
